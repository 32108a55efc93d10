/** A refusal, before a service has put it into its own words. */
export class Refusal extends Error {
  readonly status: number;
  /** The service's word for it: `notFound`, `NOT_FOUND`, `AlreadyExists`. */
  readonly reason: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(status: number, message: string, reason?: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.details = details;
  }
}
