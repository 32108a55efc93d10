import type { ChannelParams, ChannelResult, Json, WaitSpec } from "@holdfast/protocol";
import type { Repeated } from "./asked-waits.ts";
import type { Submit } from "./external/external-job.ts";
import { storedValue } from "./stored-value.ts";

type Call = <M extends Repeated>(method: M, params: ChannelParams<M>) => Promise<ChannelResult<M>>;

/**
 * Starts a job that the body starts by itself: its submission is recorded first, with the token that the service is called with. When
 * the process dies before the job's name is recorded, the next start of the body gets the same token. Answers the record where
 * there is one; rejects with what `submit` threw.
 */
export async function startOwn(spec: WaitSpec, submit: Submit, call: Call): Promise<Json | undefined> {
  if (spec.kind !== "external") throw new Error(`${JSON.stringify(spec.key)} is no external job`);
  const { key, service, connection, timeoutMs, onUnknown } = spec;
  const asked = { key, service, connection, timeoutMs, onUnknown };
  const { token, ref, record } = await call("external.submit", asked);
  if (record !== undefined || ref !== null || token === null) return record;
  const named = storedValue(await submit({ token }), `What started ${JSON.stringify(key)} answered: it`);
  await call("external.adopt", { key, ref: named });
  return undefined;
}
