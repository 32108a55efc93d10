import assert from "node:assert/strict";
import { asWaitRecord, isEnded, type RunEvent, type StepRecord } from "@holdfast/protocol";
import { type OutcomeCounts, outcomeOf, type RunRow } from "../../server/src/core/index.ts";
import { listAllRuns } from "./all-runs.ts";
import type { Effect } from "./bodies.ts";
import type { Campaign } from "./campaign.ts";
import { readEffects } from "./effects.ts";
import { until } from "./processes.ts";
import { checkTicks, isPulse } from "./pulse.ts";
import { endings } from "./topic-reader.ts";
import { type Expected, expectWorkflow, heldLimits, meter } from "./workload.ts";

// What must hold after a campaign, by promise.
//
// 1  P1   every run that was acknowledged exists once, has ended, and ended as its script says.
// 2  P2   what is recorded was written by the epoch that was the run's last to act: a step by the last epoch that did it, an
//         output by the epoch of the row.
// 3  P3   counts of children and upstreams agree with how those ended; nothing is claimed, nothing is open.
// 4  P4   who succeeded has said so.
// 5  P10  events are numbered without holes, one end, the last; a reader of the topic saw each once and in order.
// 6  P12  each step is recorded once.
// 7  P6   nothing that was told to end goes on; what was asked for under a key happened once.
// 8  L2   (core/limits.ts) no slot is held any more, and never did more start within the time of a rate than it allows.

export interface Verdict {
  readonly runs: number;
  readonly takeovers: number;
  readonly losses: number;
  /** From a strike at a node to the last takeover that it made necessary, milliseconds. */
  readonly recoveriesMs: readonly number[];
}

interface Seen {
  readonly effects: ReadonlyMap<string, readonly Effect[]>;
  readonly topic: ReadonlyMap<string, readonly RunEvent[]>;
}

/** Throws AssertionError when a promise was broken. */
export async function judge(campaign: Campaign): Promise<Verdict> {
  const rows = await readAll(campaign);
  const effects = Map.groupBy(readEffects(campaign.folder), ({ runId }) => runId);
  const seen: Seen = { effects, topic: Map.groupBy(campaign.topic, ({ runId }) => runId) };
  checkRoots(campaign, rows);
  await checkTicks(
    campaign.store,
    rows.filter((run) => run.parentId === null && isPulse(run)),
  );
  checkPositions(campaign);
  const children = presentChildren(rows);
  for (const run of rows) {
    const [events, steps] = await Promise.all([
      campaign.store.listEvents({ runId: run.id, after: 0, limitRows: 1_000 }),
      campaign.store.listSteps({ runId: run.id, generation: run.generation }),
    ]);
    checkHistory(run, events, seen.topic.get(run.id) ?? []);
    checkRestarts(run, events, campaign);
    checkSteps(run, steps, effects.get(run.id) ?? []);
    checkEnd(run, effects.get(run.id) ?? []);
    checkFamily(run, children.get(run.id) ?? [], campaign);
  }
  checkRates(rows, campaign);
  await checkLimits(campaign);
  assert.equal(seen.topic.size, rows.length, "the topic tells of runs that are not there");
  return { runs: rows.length, ...counts(campaign) };
}

async function checkLimits({ store }: Campaign): Promise<void> {
  for (const id of heldLimits) {
    // The slots of a rate are held for its time after the last start.
    await until(`L2 no run holds or wants a slot of ${id}`, async () => {
      const limit = await store.findLimit({ id, limitRows: 100 });
      return [...(limit?.holders ?? []), ...(limit?.standing ?? [])].length === 0 || undefined;
    });
  }
}

/** Of each key of "metered", by the moments at which its runs were started, on the store's clock. */
function checkRates(rows: readonly RunRow[], { topic }: Campaign): void {
  const keys = new Map(
    rows.flatMap(({ id, limits }) => limits.flatMap((limit) => (limit.perMs === meter.perMs ? [[id, limit.id]] : []))),
  );
  const backs = new Set(
    topic.flatMap(({ type, runId, number }) => (type === "run.given_back" ? `${runId} ${number}` : [])),
  );
  // Whose key is known by its input alone is put in line by its first claim, which is no start.
  const starts = topic.filter(({ type, runId, number }) => {
    return type === "run.started" && keys.has(runId) && !backs.has(`${runId} ${number + 1}`);
  });
  for (const [key, of] of Map.groupBy(starts, ({ runId }) => keys.get(runId))) {
    const at = of.map((event) => event.at).sort((a, b) => a - b);
    for (const [place, moment] of at.entries()) {
      const over = at[place + meter.limit];
      const within = over === undefined ? meter.perMs : over - moment;
      assert.ok(within >= meter.perMs, `L2 ${meter.limit + 1} of ${key} started within ${within} ms`);
    }
  }
}

/** Children of the present generations of those above them. */
function presentChildren(rows: readonly RunRow[]): Map<string | null, RunRow[]> {
  const generations = new Map(rows.map(({ id, generation }) => [id, generation]));
  const present = rows.filter((run) => run.parentId === null || generations.get(run.parentId) === run.parentGeneration);
  return Map.groupBy(present, ({ parentId }) => parentId);
}

async function readAll({ store }: Campaign): Promise<RunRow[]> {
  const rows = await listAllRuns(store);
  const whole: RunRow[] = [];
  for (const { id } of rows) {
    const run = await store.findRun({ id });
    if (run !== undefined) whole.push(run);
  }
  assert.equal(whole.length, rows.length);
  return whole;
}

function checkRoots({ roots, workload }: Campaign, rows: readonly RunRow[]): void {
  const byId = new Map(rows.map((run) => [run.id, run]));
  const byParent = presentChildren(rows);
  const keys = new Set<string>();
  const [beats = [], asked = []] = [true, false].map((is) =>
    rows.filter((run) => run.parentId === null && isPulse(run) === is),
  );
  for (const run of beats) checkExpected(run, expectWorkflow("pulse", workload), byParent);
  for (const { key } of asked) {
    assert.ok(key !== null && !keys.has(key), `P1 the key ${key} made two runs`);
    keys.add(key);
  }
  assert.equal(keys.size, roots.length, "P1 there are runs that nobody asked for");
  for (const root of roots) {
    const run = byId.get(root.id ?? "");
    assert.ok(run, `P1 ${root.key} was acknowledged as ${root.id} and is lost`);
    checkExpected(run, root.expected, byParent);
  }
}

function checkExpected(run: RunRow, expected: Expected, byParent: ReadonlyMap<string | null, readonly RunRow[]>): void {
  const where = `${run.name} (${run.id}, epoch ${run.epoch}, ${JSON.stringify(run.error)})`;
  assert.equal(run.status, expected.status, `P1 ${where} ended wrong`);
  if (expected.children === undefined) return;
  const children = byParent.get(run.id) ?? [];
  assert.deepEqual(
    children.map(({ name }) => name).sort(),
    [...expected.children.keys()].sort(),
    `the children of ${where}`,
  );
  for (const child of children) {
    const due = expected.children.get(child.name);
    if (due !== undefined) checkExpected(child, due, byParent);
  }
}

function checkPositions({ topic }: Campaign): void {
  let last = 0;
  for (const { position } of topic) {
    assert.ok(position > last, `P10 a reader of the topic saw ${position} after ${last}`);
    last = position;
  }
}

/** What may follow an end: somebody lets the run, or what it hangs on, start again. */
const revivals: ReadonlySet<string> = new Set(["run.restarted", "run.reset", "run.reopened"]);

function checkHistory(run: RunRow, events: readonly RunEvent[], inTopic: readonly RunEvent[]): void {
  const where = `${run.name} (${run.id})`;
  const due = Array.from({ length: run.lastEvent }, (_, i) => i + 1);
  assert.deepEqual(
    events.map(({ number }) => number),
    due,
    `P10 the history of ${where}`,
  );
  assert.deepEqual(
    inTopic.map(({ number }) => number),
    due,
    `P10 what a reader of the topic saw of ${where}`,
  );
  for (const [index, { type }] of events.entries()) {
    const next = events[index + 1];
    if (!endings.includes(type) || next === undefined) continue;
    assert.ok(revivals.has(next.type), `P1 ${where} ended, and then came ${next.type}`);
  }
  assert.equal(events.at(-1)?.type, `run.${run.status}`, `the last event of ${where}`);
  let epoch = 0;
  for (const { type, data } of events) {
    if (type !== "run.started") continue;
    const started = Number((data as { epoch?: unknown }).epoch);
    assert.ok(started > epoch, `P2 ${where} was started as epoch ${started} after ${epoch}`);
    epoch = started;
  }
}

/** What was asked for under one key happened once, however often it had to be asked. */
function checkRestarts(run: RunRow, events: readonly RunEvent[], { roots }: Campaign): void {
  const root = roots.find(({ id }) => id === run.id);
  if (root === undefined || run.kind !== "task") return;
  const count = events.filter(({ type }) => type === "run.restarted").length;
  assert.equal(
    count,
    root.restarts,
    `${run.name} (${run.id}) started again ${count} times for ${root.restarts} requests`,
  );
}

function checkSteps(run: RunRow, steps: readonly StepRecord[], effects: readonly Effect[]): void {
  const where = `${run.name} (${run.id})`;
  const keys = steps.map(({ key }) => key);
  assert.equal(new Set(keys).size, keys.length, `P12 ${where} has a step twice`);
  // A wait is over once, whoever acted then.
  const acts = steps.filter(({ value }) => asWaitRecord(value) === undefined);
  for (const { key, value } of acts) {
    const epochs = effects.filter(({ act }) => act === key).map(({ epoch }) => epoch);
    const recorded = (value as { epoch?: unknown }).epoch;
    assert.equal(
      recorded,
      Math.max(...epochs),
      `P2 ${where} has ${key} of epoch ${recorded}, and it was done in ${epochs}`,
    );
  }
  if (run.status !== "succeeded") return;
  const done = new Set(effects.filter(({ act }) => act.startsWith("step-")).map(({ act }) => act));
  assert.deepEqual(new Set(acts.map(({ key }) => key)), done, `P12 what ${where} has recorded and what it has done`);
}

function checkEnd(run: RunRow, effects: readonly Effect[]): void {
  const where = `${run.name} (${run.id})`;
  assert.ok(isEnded(run.status), `P1 ${where} is ${run.status}`);
  assert.deepEqual([run.claimedBy, run.openChildren, run.wakeAt], [null, 0, null], `P3 ${where} is ended and open`);
  if (run.kind !== "task" || run.status !== "succeeded") return;
  const output = run.output as { run?: unknown; epoch?: unknown } | undefined;
  assert.equal(output?.run, run.id, `the output of ${where}`);
  assert.equal(output?.epoch, run.epoch, `P2 ${where} took its output from another epoch`);
  const said = effects.some(({ act, epoch }) => act === "returning" && epoch === run.epoch);
  assert.ok(said, `P4 ${where} succeeded in epoch ${run.epoch} unsaid`);
}

function checkFamily(run: RunRow, children: readonly RunRow[], { workload }: Campaign): void {
  const where = `${run.name} (${run.id})`;
  const count = (runs: readonly RunRow[]): OutcomeCounts => {
    const total = { succeeded: 0, failed: 0, skipped: 0 };
    for (const child of runs) total[outcomeOf(child)] += 1;
    return total;
  };
  if (children.length > 0) assert.deepEqual(run.children, count(children), `P3 what ${where} counts of its children`);
  if (run.status === "cancelled") return;
  const last = workload.workflows.get(run.definition)?.nodes.at(-1)?.name;
  if (run.kind === "workflow" && run.status === "succeeded") {
    const output = children.find(({ name, status }) => name === last && status === "succeeded")?.output ?? null;
    assert.deepEqual(run.output, output, `the output of ${where}`);
  }
  if (run.kind === "map" && run.status === "succeeded") {
    const inOrder = children.toSorted((a, b) => (a.itemIndex ?? 0) - (b.itemIndex ?? 0));
    assert.deepEqual(
      run.output,
      inOrder.map(({ output = null }) => output),
      `what ${where} collected`,
    );
  }
  if (run.kind !== "workflow" || children.length === 0) return;
  for (const node of workload.workflows.get(run.definition)?.nodes ?? []) {
    const child = children.find(({ name }) => name === node.name);
    const upstreams = children.filter(({ name }) => node.upstream.includes(name));
    assert.equal(child?.blockedBy, 0, `P3 ${node.name} of ${where} is blocked still`);
    assert.deepEqual(child.upstream, count(upstreams), `P3 what ${node.name} of ${where} counts of its upstreams`);
  }
}

function counts({ topic, nodeStrikes }: Campaign): Omit<Verdict, "runs"> {
  const lost = topic.filter(({ type }) => type === "run.lost");
  const taken = lost.filter(({ data }) => JSON.stringify(data).includes("member_gone"));
  const recoveries = new Map<number, number>();
  for (const { at, data } of taken) {
    const member = JSON.stringify(data);
    const strike = nodeStrikes.findLast(
      (one) => one.memberId !== undefined && one.at <= at && member.includes(one.memberId),
    );
    if (strike !== undefined) recoveries.set(strike.at, at - strike.at);
  }
  return { takeovers: taken.length, losses: lost.length - taken.length, recoveriesMs: [...recoveries.values()] };
}
