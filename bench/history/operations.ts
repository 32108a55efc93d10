import type { Services } from "../../server/src/main.ts";
import type { RunFilter } from "../../server/src/store/store.ts";
import { unitRuns } from "./unit.ts";

// What is timed beside ended runs: every verb of the store that a node, a caller or a person waits for.

const batchRows = 100;
const pageRows = 50;
const leaseMs = 600_000;
const hourMs = 3_600_000;

/** One store under measurement, with what is asked about it. */
export interface Side {
  readonly services: Services;
  readonly memberId: string;
  /** The place of the last run that ended before, in the order of insertion. */
  readonly places: number;
  /** Runs that wait for their time while it is measured. */
  readonly waiting: readonly string[];
}

/** Milliseconds by operation. Every side goes through the same operations in the same order. */
export type Timed = <T>(operation: string, act: () => Promise<T>) => Promise<T>;

/** Becomes a member of the store, and lets a few runs live in it. */
export async function joinSide(services: Services): Promise<Side> {
  const { store, namespace, random } = services;
  const id = Buffer.from(random.bytes(10)).toString("hex");
  const { id: memberId } = await store.joinMember({
    id,
    kind: "node",
    name: "bench",
    namespace,
    serves: null,
    leaseMs,
  });
  // A cursor is a place in the order of insertion: this one is the last run's.
  const { cursor } = await store.listRuns({ namespace, rootsOnly: false, limitRows: 1 });
  const waiting: string[] = [];
  for (let run = 0; run < 20; run++) {
    const startAfter = new Date(Date.now() + hourMs).toISOString();
    waiting.push((await services.runs.start({ definition: "timed", startAfter })).run.id);
  }
  return { services, memberId, places: Number(cursor ?? 1), waiting };
}

/** Leaves nothing live behind, so that the next round finds as much as this one. */
export async function leaveSide({ services, memberId, waiting }: Side): Promise<void> {
  for (const id of waiting) await services.runs.cancel(id);
  await services.store.leaveMember({ id: memberId });
}

/** One round. */
export async function goThrough(side: Side, timed: Timed): Promise<void> {
  await carryOut(side, timed);
  await tick(side, timed);
  await list(side, timed);
  await show(side, timed);
}

async function carryOut({ services, memberId }: Side, timed: Timed): Promise<void> {
  const { store, runs, namespace } = services;
  const noop = { definition: "noop", input: {} };
  const requests = Array.from({ length: batchRows }, () => Buffer.from(services.random.bytes(8)).toString("hex"));
  const started = await timed("enqueue 100 with request keys", () =>
    Promise.all(requests.map((request) => runs.start(noop, request))),
  );
  await timed("enqueue 1", () => runs.start(noop));
  await timed("enqueue 1 that was there", () => runs.start(noop, requests[0]));
  await timed("enqueue 100", () => Promise.all(requests.map(() => runs.start(noop))));
  const claim = { memberId, namespace, limitRows: batchRows };
  const claimed = await timed("claim 100", () => store.claimRuns({ ...claim, queues: null }));
  claimed.push(...(await timed("claim 100 of a queue", () => store.claimRuns({ ...claim, queues: ["default"] }))));
  const rows = claimed.slice(0, batchRows);
  await timed("record 100 steps", () =>
    store.commitSteps({
      rows: rows.map(({ id: runId, epoch, generation }) => ({ runId, epoch, generation, key: "one", value: 1 })),
    }),
  );
  const line = { seq: 1, at: services.clock.now(), stream: "log", level: "info", text: "Hello." } as const;
  await timed("keep 100 log lines", () =>
    store.appendLogs({ rows: rows.map(({ id: runId, epoch }) => ({ ...line, runId, epoch })) }),
  );
  const next = { to: "ended", status: "succeeded", outcome: "succeeded", output: null } as const;
  const finishes = claimed.map(({ id: runId, epoch }) => ({ runId, epoch, ranMs: 1, next }));
  await timed("finish 100", () => store.finishActivations({ rows: finishes.slice(0, batchRows) }));
  await store.finishActivations({ rows: finishes.slice(batchRows) });
  const [last] = await store.claimRuns({ ...claim, queues: null });
  if (last === undefined) throw new Error("a run was not there to be claimed");
  await timed("finish 1", () =>
    store.finishActivations({ rows: [{ runId: last.id, epoch: last.epoch, ranMs: 1, next }] }),
  );
  const doomed = await runs.start(noop);
  await timed("cancel", () => runs.cancel(doomed.run.id));
  await timed("which of 100 have ended", () => store.listEnded({ ids: started.map(({ run }) => run.id) }));
}

/** What a node's loops do, over and over, when there is nothing to do but events to be moved. */
async function tick({ services, memberId }: Side, timed: Timed): Promise<void> {
  const { store, namespace } = services;
  await timed("sequencer", () => store.sequenceEvents({ limitRows: 1_000 }));
  while ((await store.sequenceEvents({ limitRows: 1_000 })).more);
  await timed("dispatcher, nothing ready", () =>
    store.claimRuns({ memberId, namespace, queues: null, limitRows: batchRows }),
  );
  await timed("membership", () => store.renewMember({ id: memberId, leaseMs }));
  await timed("rescuer", () => store.judgeMembers({ by: memberId, limitRows: 500 }));
  await timed("timer, due", () => store.wakeRuns({ limitRows: 500 }));
  await timed("timer, expired", () => store.expireRuns({ limitRows: 500 }));
  await timed("canceller", () => store.listOwed({ memberId, kind: "activation", limitRows: 500 }));
  await timed("what a member holds", () => store.listClaimed({ memberId, limitRows: 500 }));
  const kept = { runsMs: 720 * hourMs, logsMs: 168 * hourMs, limitRows: 500 };
  await timed("pruner, nothing due", () => store.prune(kept));
}

const filters: Readonly<Record<string, Partial<RunFilter>>> = {
  "newest roots": {},
  "newest of all": { rootsOnly: false },
  "live roots": { statuses: ["pending", "ready", "running", "waiting", "cancelling"] },
  "failed roots": { statuses: ["failed"] },
  "failed of all": { statuses: ["failed"], rootsOnly: false },
  "succeeded roots": { statuses: ["succeeded"] },
  "skipped of all": { statuses: ["skipped"], rootsOnly: false },
  "roots of a definition": { definition: "three" },
  "roots of a definition that others call": { definition: "noop-process" },
  "all of a definition": { definition: "stepping", rootsOnly: false },
  "failed of a definition that never fails": { definition: "noop", statuses: ["failed"] },
  "succeeded of a definition that always fails": { definition: "failing", statuses: ["succeeded"] },
};

async function list({ services, places }: Side, timed: Timed): Promise<void> {
  const { store, namespace } = services;
  for (const [name, filter] of Object.entries(filters)) {
    await timed(`list 50: ${name}`, () =>
      store.listRuns({ namespace, rootsOnly: true, limitRows: pageRows, ...filter }),
    );
  }
  const cursor = String(Math.floor(places / 2));
  await timed("list 50: a page in the middle", () =>
    store.listRuns({ namespace, rootsOnly: true, limitRows: pageRows, cursor }),
  );
  await timed("definitions", () => store.listDefinitions({ namespace }));
  await timed("members", () => store.listMembers({ namespace }));
  const { last } = await store.listTopic({ namespace, after: Number.MAX_SAFE_INTEGER, limitRows: 1 });
  await timed("topic, nothing new", () => store.listTopic({ namespace, after: last, limitRows: 500 }));
  await timed("topic, the last 100", () => store.listTopic({ namespace, after: last - 100, limitRows: 500 }));
}

/** Of a workflow that ended at some time. */
async function show({ services, places }: Side, timed: Timed): Promise<void> {
  const { store, runs, namespace } = services;
  const cursor = String(Math.max(2 * unitRuns, Math.floor(places * Math.random())));
  const found = await store.listRuns({ namespace, rootsOnly: true, definition: "three", limitRows: 1, cursor });
  const root = found.runs[0];
  if (root === undefined) throw new Error("no workflow has ended");
  await timed("show: the run", () => runs.get(root.id));
  await timed("show: the run, once more", () => runs.get(root.id));
  const tree = await timed("show: its tree", () => store.listTree({ rootId: root.id, limitRows: 100 }));
  await timed("show: its tree, once more", () => store.listTree({ rootId: root.id, limitRows: 100 }));
  await timed("show: its children", () =>
    store.listRuns({ namespace, parentId: root.id, rootsOnly: false, limitRows: pageRows }),
  );
  const child = tree.find(({ definition }) => definition === "stepping") ?? root;
  await timed("show: by a part of the id", () => runs.resolve(root.id.slice(0, 16)).catch(() => undefined));
  for (const when of ["", ", once more"]) {
    await timed(`show: events${when}`, () => store.listEvents({ runId: child.id, after: 0, limitRows: 100 }));
  }
  for (const when of ["", ", once more"]) {
    await timed(`show: steps${when}`, () => store.listSteps({ runId: child.id, generation: 1 }));
  }
  for (const when of ["", ", once more"]) {
    await timed(`show: log${when}`, () => store.listLogs({ runId: child.id, limitRows: 100 }));
  }
  await timed("show: values that it is given", () =>
    store.findScopes({ rows: [{ parentId: root.id, names: ["first", "second"] }] }),
  );
}
