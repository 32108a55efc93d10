// Each path that lets a run start again or says how it ended × each status × a job of it that is open or not, over HTTP and by the
// commands. Faults to catch: a cell that is empty; a path that answers otherwise than another; a fresh start beside a job that goes on; a
// resumed run that submits twice; steps or state that survive a fresh start, or are lost by a resume; an answer that says it wrongly.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { defaultRetry, isAppError, type Json, type Restarted, type TaskSpec } from "@holdfast/protocol";
import { buildApi } from "../../server/src/api/server.ts";
import { bulk } from "../../server/src/cli/bulk.ts";
import { mark } from "../../server/src/cli/marks.ts";
import { clear, retry } from "../../server/src/cli/restarts.ts";
import { openTerminal, type Terminal } from "../../server/src/cli/terminal.ts";
import { isEnded, type RunRow } from "../../server/src/core/index.ts";
import { silentLog } from "../../server/src/log.ts";
import { openServices, type Services } from "../../server/src/main.ts";
import { external, newJob, note, order, said, suspendOn } from "../../server/src/store/contract/jobs.fixture.ts";
import { opsIn, transaction } from "../../server/src/store/contract/state.fixture.ts";
import { hourMs, namespace, next, World } from "../../server/src/store/contract/world.contract.ts";
import { type Answer, clears, type Job, jobs, type Path, paths, type Status, statuses } from "./clears.ts";

/** What somebody is told: what it did, or the code of the refusal. */
type Told = { readonly answer: Json } | { readonly code: string };
type Door = (path: Path, run: RunRow) => Promise<Told>;

/** A run in a status. `activation`: at work on it still. */
interface Standing {
  readonly run: RunRow;
  readonly activation?: RunRow;
}

const ship: TaskSpec = {
  ...{ kind: "task", id: "ship", executor: "typescript", source: { module: "tasks/ship.ts", export: "ship" } },
  ...{ queue: "default", priority: 0, retry: defaultRetry, placement: "process", isolation: "pool" },
  ...{ reads: [], writes: [] },
};
let manifestHash = "";
let services: Services;
let world: World;
const doors: Record<string, Door> = {};

it("no cell is empty", () => {
  assert.deepEqual(Object.keys(clears), [...paths]);
  for (const path of paths) {
    assert.deepEqual(Object.keys(clears[path]).sort(), [...statuses].sort(), path);
    for (const status of statuses) assert.equal(clears[path][status].length, jobs.length, `${path} of ${status}`);
  }
});

describe("runs that start again, or are told how they ended", { timeout: 120_000 }, () => {
  let close: () => Promise<void>;
  before(async () => {
    services = await openServices({ address: "memory:", namespace });
    await services.definitions.apply([{ format: 1, root: ship.id, definitions: { ship }, assets: {} }]);
    manifestHash = (await services.definitions.get(ship.id)).manifestHash;
    world = new World({ store: services.store, close: () => Promise.resolve() });
    const api = buildApi(services, { host: "127.0.0.1", port: 0, version: "0.0.0", log: silentLog });
    const { port } = new URL(await api.listen());
    const server = `http://127.0.0.1:${port}`;
    doors.HTTP = (path, run) => overHttp(server, path, run);
    doors["the command line"] = (path, run) => byCommand(server, path, run);
    close = () => api.close();
  });
  after(async () => {
    await close();
    await services.close();
  });

  for (const path of paths) {
    for (const status of statuses) {
      for (const [index, job] of jobs.entries()) {
        const expected = clears[path][status][index] ?? "cannot be";
        it(`${path} of a ${status} run with ${job}: ${expected}`, async () => {
          for (const [name, door] of Object.entries(doors))
            assert.equal(await cell(door, path, status, job), expected, name);
        });
      }
    }
  }
});

async function cell(door: Door, path: Path, status: Status, job: Job): Promise<Answer> {
  last += 1;
  // Bulk actions find their run by its definition; what a mark says is held against it.
  const definition = path.startsWith("bulk") ? `of-${last}` : ship.id;
  const standing = await reach(status, job === "an open job", definition);
  if (standing === undefined) return "cannot be";
  const before = await world.get(standing.run.id);
  assert.equal(before.status, status);
  const told = await door(path, before);
  if (!("answer" in told)) {
    assert.deepEqual(await world.get(before.id), before, "who is refused has changed nothing");
    return told.code as Answer;
  }
  const answer = path.startsWith("bulk") ? ofBulk(told.answer) : told.answer;
  if (typeof answer === "string") return answer as Answer;
  if ("changed" in (answer as object)) return afterMark(before, answer as never);
  return afterRestart(standing, before, answer as never);
}

/** What a page of a bulk action says of its only run. */
function ofBulk(page: Json): Json {
  const { runs } = page as unknown as { runs: { outcome: string; message?: string }[] };
  const [only] = runs;
  assert.ok(only !== undefined && runs.length === 1, JSON.stringify(page));
  if (only.outcome === "refused") return /has not ended/.test(only.message ?? "") ? "run_live" : String(only.message);
  if (only.outcome === "unchanged") return "as it is";
  return { restarted: 1, ...only } as unknown as Json;
}

async function afterMark(before: RunRow, { changed, jobs: owed }: { changed: boolean; jobs: number }): Promise<Answer> {
  const run = await world.get(before.id);
  if (!changed) {
    assert.deepEqual(run, before);
    return "as it is";
  }
  assert.ok(isEnded(run.status));
  const job = await jobOf(run);
  if (job === undefined) return "ended";
  assert.equal(job.status, "cancelling");
  assert.equal(owed, isEnded(before.status) || before.waiting === null ? 0 : 1);
  return "ended, the job is owed";
}

async function afterRestart(
  { activation }: Standing,
  before: RunRow,
  { restarted, kept, dropped }: Pick<Restarted, "restarted" | "kept" | "dropped">,
): Promise<Answer> {
  if (restarted === 0) {
    assert.deepEqual(await world.get(before.id), before);
    return "as it is";
  }
  const job = await jobOf(before);
  let when = "";
  let claimed = await claim(before);
  if (claimed === undefined && activation !== undefined) {
    when = "ended first, then ";
    await world.finish(activation, next.release());
    claimed = await claim(before);
  }
  if (claimed === undefined && job !== undefined) {
    when ||= "job ended first, then ";
    await note(world, job, said.cancelled);
    claimed = await claim(before);
  }
  assert.ok(claimed, "it starts again");
  const { id: runId, generation } = claimed;
  const isFresh = generation > before.generation;
  assert.equal(claimed.attempt, before.attempt + 1);
  const steps = (await services.store.listSteps({ runId, generation })).map(({ key }) => key);
  const state = await services.store.listState({ namespace, scope: { kind: "run", id: runId }, limitRows: 10 });
  assert.equal(state.outcome === "read" && state.values.length, isFresh ? 0 : 1);
  assert.equal(steps.includes("s"), !isFresh);
  const [there, gone] = isFresh ? [dropped, kept] : [kept, dropped];
  assert.deepEqual([there.values, there.steps > 0, gone.values, gone.steps], [1, true, 0, 0]);
  const goesOn = job !== undefined && when === "";
  assert.deepEqual([kept.jobs, dropped.jobs], job === undefined ? [[], []] : goesOn ? [[job.id], []] : [[], [job.id]]);
  if (goesOn) {
    await suspendOn(world, claimed, [external(claimed, "scan")]);
    assert.equal((await services.store.listJobs({ namespace, runId, limitRows: 10 })).jobs.length, 1);
  }
  return `${when}${isFresh ? "afresh" : "resumed"}${goesOn ? " with its job" : ""}` as Answer;
}

/** A run in this status. Undefined: there is none. */
async function reach(status: Status, hasJob: boolean, definition: string): Promise<Standing | undefined> {
  if (status !== "pending") return reachBegun(status, hasJob, definition);
  // What waits for its turn has begun nothing, and is not set back while a job of it is open.
  if (hasJob) return undefined;
  const { ids } = await world.workflow([{ name: "a" }, { name: "b", definition, manifestHash, after: ["a"] }]);
  return { run: await world.get(ids.b) };
}

/** One that has begun has a step and a value. */
async function reachBegun(status: Exclude<Status, "pending">, hasJob: boolean, definition: string): Promise<Standing> {
  const run = await world.running({ definition, manifestHash, queue: `q-${last}` });
  const { id: runId, epoch, generation } = run;
  await services.store.commitSteps({ rows: [{ runId, epoch, generation, key: "s", value: 1 }] });
  await services.store.transactState({ rows: [transaction([opsIn({ kind: "run", id: runId }).set("a", 1)])] });
  if (hasJob) await order(world, run, { opens: [external(run, "scan")] });
  const rest = { key: "nap", kind: "sleep", hash: "h", delayMs: hourMs, signal: null, child: null } as const;
  const sleep = () => suspendOn(world, run, [hasJob ? external(run, "scan") : rest]);
  switch (status) {
    case "ready":
      await world.finish(run, next.retry(hourMs));
      break;
    case "running":
      return { run, activation: run };
    case "waiting":
      await sleep();
      break;
    case "cancelling":
      if (hasJob) await sleep();
      await world.cancel(runId);
      return hasJob ? { run } : { run, activation: run };
    case "succeeded":
      if (hasJob) await order(world, run, { settles: [{ key: "race", value: 1, drops: ["scan"] }] });
      await world.finish(run, next.success(null));
      break;
    case "failed":
      await world.finish(run, next.failure());
      await services.store.forceEnds({ runId, limitRows: 10 });
      break;
    case "cancelled":
      await sleep();
      await world.cancel(runId);
      await services.store.forceEnds({ runId, limitRows: 10 });
      break;
    case "skipped":
      await sleep();
      await services.marks.mark(runId, { status: "skipped" });
      break;
  }
  return { run };
}

let last = 0;

async function claim({ id, queue }: RunRow): Promise<RunRow | undefined> {
  const claimed = await services.store.claimRuns({
    ...{ memberId: await world.member(), namespace, queues: [queue], limitRows: 10 },
  });
  return claimed.find((run) => run.id === id);
}

async function jobOf(run: RunRow) {
  return services.store.findJob({ id: newJob({ ...run, generation: 1 }, "scan").id });
}

const bodies: Readonly<Record<Path, (run: RunRow) => { readonly path: string; readonly body: object }>> = {
  retry: ({ id }) => ({ path: `${id}/retry`, body: {} }),
  "retry --from-failed": ({ id }) => ({ path: `${id}/retry`, body: { fromFailed: true } }),
  clear: ({ id }) => ({ path: `${id}/clear`, body: {} }),
  "clear --resume": ({ id }) => ({ path: `${id}/clear`, body: { mode: "resume" } }),
  "bulk retry": ({ definition }) => ({ path: "bulk", body: { action: "retry", definition, scope: "all" } }),
  "bulk clear": ({ definition }) => ({ path: "bulk", body: { action: "clear", definition, scope: "all" } }),
  "bulk clear --resume": ({ definition }) => ({
    path: "bulk",
    body: { action: "clear", definition, scope: "all", mode: "resume" },
  }),
  "mark succeeded": ({ id }) => ({ path: `${id}/mark`, body: { status: "succeeded", output: null } }),
  "mark failed": ({ id }) => ({ path: `${id}/mark`, body: { status: "failed" } }),
  skip: ({ id }) => ({ path: `${id}/mark`, body: { status: "skipped" } }),
};

async function overHttp(server: string, path: Path, run: RunRow): Promise<Told> {
  const { path: below, body } = bodies[path](run);
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${server}/v1/runs/${below}`, { method: "POST", headers, body: JSON.stringify(body) });
  const json = (await answer.json()) as { error?: { code: string } };
  return json.error === undefined ? { answer: json as Json } : { code: json.error.code };
}

async function byCommand(server: string, path: Path, { id, definition }: RunRow): Promise<Told> {
  const said: Json[] = [];
  const terminal: Terminal = { ...openTerminal({ json: true }), answer: (value) => said.push(value as Json) };
  const many = { server, definition, all: true, yes: true };
  const commands: Readonly<Record<Path, () => Promise<number>>> = {
    retry: () => retry(terminal, id, { server }),
    "retry --from-failed": () => retry(terminal, id, { server, fromFailed: true }),
    clear: () => clear(terminal, id, { server }),
    "clear --resume": () => clear(terminal, id, { server, resume: true }),
    "bulk retry": () => bulk(terminal, "retry", many),
    "bulk clear": () => bulk(terminal, "clear", many),
    "bulk clear --resume": () => bulk(terminal, "clear", { ...many, resume: true }),
    "mark succeeded": () => mark(terminal, id, "succeeded", { server }),
    "mark failed": () => mark(terminal, id, "failed", { server }),
    skip: () => mark(terminal, id, "skipped", { server }),
  };
  try {
    await commands[path]();
    assert.equal(said.length, 1);
    return { answer: said[0] ?? null };
  } catch (error) {
    if (isAppError(error)) return { code: error.code };
    throw error;
  }
}
