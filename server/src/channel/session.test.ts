import assert from "node:assert/strict";
import { test } from "node:test";
import {
  accessGroups,
  type ChannelMethod,
  type ChannelParams,
  type CodeTaskSpec,
  channelMethods,
  defaultGrants,
  type ErrorCode,
  isAppError,
  processKinds,
  withheldMethods,
} from "@holdfast/protocol";
import type { RunRow } from "../core/index.ts";
import { newRun } from "../core/run.fixture.ts";
import { ActivationLog } from "../operations/activation-log.ts";
import { BodyAssets } from "../operations/body-assets.ts";
import { BodyState } from "../operations/body-state.ts";
import { BodyWaits } from "../operations/body-waits.ts";
import { Completion } from "../operations/completion.ts";
import { Concurrency } from "../operations/concurrency.ts";
import { Definitions } from "../operations/definitions.ts";
import { JobBodies } from "../operations/job-bodies.ts";
import { Runs } from "../operations/runs.ts";
import { StateObjects } from "../operations/state-objects.ts";
import { systemRandom } from "../random.ts";
import { openMemoryStore } from "../store/memory/memory-store.ts";
import type { Store } from "../store/store.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import type { Session } from "./handlers.ts";
import { answer } from "./session.ts";

/** Something that each method accepts. A method without an example does not compile. */
const examples: { readonly [M in ChannelMethod]: ChannelParams<M> } = {
  "log.write": { lines: [{ level: "info", text: "hello" }] },
  "progress.report": { done: 1, total: 2 },
  "run.succeed": { output: 1 },
  "run.fail": { error: { code: "task_failed", message: "no" } },
  "run.retry": { error: { code: "task_failed", message: "no" }, afterMs: 10 },
  "run.skip": { reason: "nothing to do" },
  "step.commit": { key: "export", value: 1 },
  "wait.open": { waits: [{ kind: "sleep", key: "nap", ms: 1 }], settles: [] },
  "run.suspend": { waits: [{ kind: "signal", key: "go", name: "go" }], settles: [], groups: [["go"]] },
  "external.submit": { key: "load", service: "unit" },
  "external.adopt": { key: "load", ref: 1 },
  "output.get": { run: "called" },
  "state.get": { scope: { kind: "run" }, keys: ["a"] },
  "asset.get": { asset: "orders", watermarks: ["mark"] },
  "asset.events": { asset: "orders" },
  "state.list": { scope: { kind: "task" } },
  "state.transact": { key: "mark", ops: [{ op: "set", scope: { kind: "run" }, key: "a/b", value: null }] },
  "run.enqueue": { key: "follow-up", definition: "nowhere", input: {} },
};
/** What these name is not there, and no job is started here: who may ask is told so. */
const refusedWith: ReadonlyMap<ChannelMethod, ErrorCode> = new Map<ChannelMethod, ErrorCode>([
  ["output.get", "not_found"],
  ["run.enqueue", "not_found"],
  ["external.submit", "unsupported"],
  ["external.adopt", "not_found"],
]);
const methods = Object.keys(examples) as ChannelMethod[];

const retry = { attempts: 1, delayMs: 0, factor: 1, maxDelayMs: 0, jitter: 0 };
const source = { module: "unit.py", export: "main" };
const task: CodeTaskSpec = {
  ...{ kind: "task", id: "unit", executor: "python", source, queue: "default", priority: 0, retry },
  ...{ placement: "process", isolation: "pool", reads: ["orders"], writes: [] },
};

/** A session of an activation on a real store. */
async function openSession({ cleansUp = false } = {}): Promise<Session> {
  const clock = new VirtualClock();
  const store = openMemoryStore({ clock });
  await store.joinMember({ id: "node", kind: "node", name: "node", namespace: "n", serves: null, leaseMs: 60_000 });
  const definitions = new Definitions({ store, namespace: "n" });
  const { definitions: applied } = await definitions.apply([
    { format: 1, root: "unit", definitions: { unit: task }, assets: { orders: { id: "orders" } } },
  ]);
  const of = { namespace: "n", definition: "unit", manifestHash: applied[0]?.manifestHash ?? "", name: "unit" };
  const run = newRun({ id: "1ngej3ekqqrdnmay8b0n", ...of, input: {}, cleansUp });
  const [result] = await store.enqueueRuns({ rows: [{ run, key: null, request: null, claimFor: "node" }] });
  assert.ok(result?.outcome === "created");
  const claimed = cleansUp ? await cleaning(store, result.run) : result.run;
  const revoked = new AbortController().signal;
  const completion = new Completion({ store, clock, random: systemRandom });
  const log = new ActivationLog({ store, clock, runId: run.id, epoch: claimed.epoch, revoked });
  const concurrency = new Concurrency({ store, namespace: "n", clock, evaluator: definitions.evaluator });
  const parts = { store, definitions, concurrency, clock };
  const runs = new Runs({ ...parts, namespace: "n", random: systemRandom, keyRetentionMs: 1_000 });
  const waits = new BodyWaits({ ...parts, completion, runs });
  const assets = new BodyAssets({ store, clock, definitions });
  return {
    held: { run: claimed, retry, ranMs: 0, revoked, isToldToEnd: false },
    task,
    definitions,
    completion,
    waits,
    assets,
    state: new BodyState({
      store,
      objects: new StateObjects({ store, clock, random: systemRandom, options: undefined }),
      clock,
      assets,
    }),
    jobs: new JobBodies({ store, waits, completion, definitions }),
    log,
  };
}

/** The run at its clean-up. */
async function cleaning(store: Store, { id, epoch }: RunRow): Promise<RunRow> {
  const ending = { status: "cancelled", error: { code: "cancelled", message: "No." } } as const;
  await store.orderEnd({ runId: id, ending, data: {}, limitRows: 1 });
  const next = { to: "ready", outcome: "released", error: null, delayMs: 0 } as const;
  await store.finishActivations({ rows: [{ runId: id, epoch, ranMs: 0, next }] });
  const { runs } = await store.claimCleanUps({ memberId: "node", namespace: "n", queues: null, limitRows: 1 });
  assert.ok(runs[0]);
  return runs[0];
}

for (const kind of processKinds) {
  for (const method of methods) {
    const { group } = channelMethods[method];
    const isGranted = defaultGrants[kind].includes(group);
    test(`a ${kind} ${isGranted ? "may" : "may not"} ask for ${method}`, async () => {
      const asked = answer(await openSession(), defaultGrants[kind], method, examples[method]);
      const code = refusedWith.get(method);
      if (isGranted && code !== undefined) await assert.rejects(asked, (error) => isAppError(error, code));
      else if (isGranted) assert.ok(channelMethods[method].result.safeParse(await asked).success);
      else await assert.rejects(asked, (error) => isAppError(error, "method_denied"));
    });
  }
}

for (const method of methods) {
  const isWithheld = withheldMethods.cleanUp.includes(method);
  test(`a clean-up ${isWithheld ? "may not" : "may"} ask for ${method}`, async () => {
    const asked = answer(await openSession({ cleansUp: true }), defaultGrants.task, method, examples[method]);
    const code = isWithheld ? "method_denied" : refusedWith.get(method);
    if (code !== undefined) await assert.rejects(asked, (error) => isAppError(error, code));
    else assert.ok(channelMethods[method].result.safeParse(await asked).success);
  });
}

test("every method is in one of the groups, and what no grant names is denied", async () => {
  for (const method of methods) {
    assert.ok(accessGroups.includes(channelMethods[method].group));
    await assert.rejects(answer(await openSession(), [], method, examples[method]), (error) => {
      return isAppError(error, "method_denied");
    });
  }
});
