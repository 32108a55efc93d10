import type { JobLink } from "@holdfast/protocol";

const errorMark = Symbol.for("holdfast.ExternalJobError");

export interface ExternalJobFacts {
  readonly service: string;
  /** The id by which the control plane knows it: `holdfast external-jobs show ID`. */
  readonly id: string;
  /** The job's name in its service; null where it is not known. */
  readonly externalId: string | null;
  /**
   * How it ended: `failed`, `cancelled`, `lost` (nobody knows what became of it), or `succeeded` where its result cannot be kept
   * (`unkept_result`).
   */
  readonly status: string;
  /** The service's own code, or ours. */
  readonly code: string;
  readonly message: string;
  /** What to do about it, where that is known. */
  readonly hint?: string | undefined;
  readonly links: readonly JobLink[];
}

/** An external job did not succeed. Its message is what the service says. */
export class ExternalJobError extends Error {
  override readonly name = "ExternalJobError";
  readonly service: string;
  readonly id: string;
  readonly externalId: string | null;
  readonly status: string;
  readonly code: string;
  readonly hint: string | undefined;
  readonly links: readonly JobLink[];

  constructor(key: string, { service, id, externalId, status, code, message, hint, links }: ExternalJobFacts) {
    super(`"${key}" (${externalId ?? id} of ${service}) ${status}: ${message}`);
    this.service = service;
    this.id = id;
    this.externalId = externalId;
    this.status = status;
    this.code = code;
    this.hint = hint;
    this.links = links;
    Object.defineProperty(this, errorMark, { value: true });
  }
}

/** Also for errors of another copy of this package. */
export function isExternalJobError(error: unknown): error is ExternalJobError {
  return typeof error === "object" && error !== null && errorMark in error;
}
