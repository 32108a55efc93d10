import { AppError, type Applied } from "@holdfast/protocol";
import type { ApiOptions } from "./api/server.ts";
import type { ConnectionSettings } from "./connection-settings.ts";
import type { Services } from "./main/services.ts";

// The composition root: the one place where parts are put together; what its two larger parts are made of stands in main/.

export { type NodeOptions, type RunningNode, type StopOptions, startNode } from "./main/node.ts";
export { defaults, openServices, type Services, type ServicesOptions, serve } from "./main/services.ts";
export { openStateOptions, type StateBackend, type StateBackendOptions } from "./main/state-backend.ts";

export interface RunningServer {
  /** The base address: `http://127.0.0.1:4400`. */
  readonly url: string;
  /** Answers those who wait with what there is, then closes the port. */
  close(): Promise<void>;
}

/** Listens for HTTP. Throws `invalid_request` for an address that others reach without a token. */
export async function startServer(services: Services, options: ApiOptions): Promise<RunningServer> {
  const { buildApi } = await import("./api/server.ts");
  const api = buildApi(services, options);
  return { url: await api.listen(), close: () => api.close() };
}

/** Compiles the files that `include` (globs relative to the root) names and applies them. Throws `invalid_definition`. */
export async function applyProject(
  { schedules }: Services,
  options: {
    readonly root: string;
    readonly include: readonly string[];
    readonly connections?: Readonly<Record<string, ConnectionSettings>>;
  },
): Promise<Applied> {
  const { compileProject } = await import("./compile/compile.ts");
  const { manifests, schedules: specs, problems } = await compileProject(options);
  const [first] = problems;
  if (first === undefined)
    return schedules.apply(
      manifests.map(({ manifest }) => manifest),
      specs,
    );
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
  const { file, line, message, hint } = first;
  throw new AppError("invalid_definition", `${file === "" ? "" : `${file}:${line}: `}${message}${more}`, {
    hint,
    details: problems,
  });
}
