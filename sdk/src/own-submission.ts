import type { ChannelParams, ChannelResult, Json, WaitSpec } from "@holdfast/protocol";
import type { Called, Repeated } from "./asked-waits.ts";
import type { Submit } from "./external/external-job.ts";
import { storedValue } from "./stored-value.ts";

type Call = <M extends Repeated>(method: M, params: ChannelParams<M>) => Promise<ChannelResult<M>>;

/**
 * Starts a job that the body starts by itself: its submission is recorded first, with the token that the service is called with. When
 * the process dies before the job's name is recorded, the next start of the body gets the same token. Answers the record where
 * there is one; rejects with what `submit` threw. `calling` hears of the call before it is made.
 */
export async function startOwn(
  spec: WaitSpec,
  { submit, calling }: { readonly submit: Submit; readonly calling: (called: Called) => void },
  call: Call,
): Promise<Json | undefined> {
  if (spec.kind !== "external") throw new Error(`${JSON.stringify(spec.key)} is no external job`);
  const { key, service, connection, timeoutMs, onUnknown } = spec;
  const asked = { key, service, connection, timeoutMs, onUnknown };
  const { token, ref, record } = await call("external.submit", asked);
  if (record !== undefined || ref !== null || token === null) return record;
  const called: Called = { token };
  calling(called);
  const named = storedValue(await submit({ token }), `What started ${JSON.stringify(key)} answered: it`);
  called.ref = named;
  await call("external.adopt", { key, ref: named });
  return undefined;
}

const longestRef = 1_000;

/** What people need who look for a job that its body does not want any more: its service may have it all the same. */
export function leftJob(spec: WaitSpec, { token, ref }: Called, error: unknown): string {
  const service = spec.kind === "external" ? spec.service : "";
  const names = ref === undefined ? "" : `, which calls it ${JSON.stringify(ref).slice(0, longestRef)}`;
  return (
    `The body went on without the job ${JSON.stringify(spec.key)}, whose start threw: ${String(error)}. Whether ${service} has it is not ` +
    `known, and nobody follows or ends it: look for the token ${token} there${names}.`
  );
}
