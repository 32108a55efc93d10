import type { StateBackendOptions } from "../operations/state-objects.ts";
import { openStateBackend } from "../state-backends/open-backend.ts";
import type { StateBackend } from "../state-backends/state-backend.ts";
import type { StateSettings } from "../state-settings.ts";

export type { StateBackend, StateBackendOptions };

/** Opens the state backend that is configured, if one is; or takes `own`. Throws `invalid_request`. */
export async function openStateOptions(
  settings: StateSettings,
  root: string,
  own?: StateBackend,
): Promise<StateBackendOptions | undefined> {
  const { backend: address, inlineBytes, sweepAfterMs, acceptLoss } = settings;
  const backend = own ?? (await openStateBackend(address, root));
  return backend === undefined ? undefined : { backend, inlineBytes, graceMs: sweepAfterMs, acceptLoss };
}
