import { admitMarks, admitRestarts, admitText } from "../admission.ts";
import { admitNotes } from "../job-admission.ts";
import { admitState } from "../state-admission.ts";
import type { KeptAnswer, OnceCall, OnceResult, RequestName, RingTopic } from "../store.ts";
import { orderEnd } from "./endings.ts";
import { forceEnds } from "./forcing.ts";
import { noteJobs } from "./jobs.ts";
import { pauseRuns, resumeRuns } from "./pauses.ts";
import { markRuns, restartRuns } from "./restarts.ts";
import { pauseSchedule, removeSchedule } from "./schedules.ts";
import type { Runner, Transaction, Work } from "./session.ts";
import { transactState } from "./state.ts";

// Requests that control something: the answer lies with the effect, in the same transaction (P3). Two with one key meet at the name's
// primary key: the later waits for the earlier one's transaction and answers what that did.

interface StoredAnswer {
  readonly hash: string;
  readonly answer: string | null;
}

/** Takes the name of a part, where nobody holds it. */
export function takePart(db: Runner, { namespace, part, key, hash, retentionMs }: RequestName): Promise<object[]> {
  return db.run("takePart", takeText, [namespace, part, key, hash, Math.ceil(retentionMs)]);
}

const takeText = `
  insert into holdfast.names (namespace, kind, definition, name, hash, run_id, retained_until, run_gone)
  values ($1, 'request', $2, $3, $4, '', holdfast.clock_ms() + $5::bigint, true)
  on conflict do nothing returning 1`;

/** What stands under a part. */
export function readPart(
  db: Runner,
  { namespace, part, key }: Pick<RequestName, "namespace" | "key" | "part">,
): Promise<StoredAnswer[]> {
  return db.run<StoredAnswer>("readPart", readText, [namespace, part, key]);
}

const readText = `
  select k.hash, k.answer from holdfast.names k
  where k.namespace = $1 and k.kind = 'request' and k.definition = $2 and k.name = $3`;

/** Keeps the answer under a part that was taken. */
export function keepAnswer(db: Runner, { namespace, part, key }: RequestName, answer: string): Promise<object[]> {
  return db.run("keepAnswer", keepText, [namespace, part, key, answer]);
}

const keepText = `
  update holdfast.names k set answer = $4
  where k.namespace = $1 and k.kind = 'request' and k.definition = $2 and k.name = $3 returning 1`;

/** See `Store.carryOutOnce`. */
export async function carryOutOnce(
  pool: Work,
  { request, call }: { request: RequestName; call: OnceCall },
): Promise<{ result: OnceResult; topics: readonly RingTopic[] }> {
  admitText([request, call.args]);
  if (call.verb === "restartRuns") admitRestarts(call.args.rows);
  if (call.verb === "markRuns") admitMarks(call.args.rows);
  if (call.verb === "transactState") admitState(call.args.rows);
  if (call.verb === "noteJobs") admitNotes(call.args.rows);
  return pool.transaction(async (transaction) => {
    const taken = await takePart(transaction, request);
    if (taken.length === 0) return { result: await repeated(transaction, request), topics: [] };
    const { answer, topics } = await carryOut(within(transaction), call);
    await keepAnswer(transaction, request, JSON.stringify({ answer }));
    return { result: { outcome: "done", answer }, topics };
  });
}

async function repeated(transaction: Transaction, request: RequestName): Promise<OnceResult> {
  const [known] = await readPart(transaction, request);
  if (known === undefined || known.hash !== request.hash || known.answer === null)
    return { outcome: "request_conflict" };
  return { outcome: "repeated", answer: JSON.parse(known.answer).answer };
}

/** See `Store.findAnswer`. */
export async function findAnswer(
  db: Runner,
  name: Pick<RequestName, "namespace" | "key" | "part">,
): Promise<KeptAnswer | undefined> {
  const [row] = await readPart(db, name);
  if (row === undefined) return undefined;
  return { hash: row.hash, answer: row.answer === null ? undefined : JSON.parse(row.answer).answer };
}

/** Work in the transaction that is open. */
function within(transaction: Transaction): Work {
  return {
    run: (name, text, parameters) => transaction.run(name, text, parameters),
    transaction: (work) => work(transaction),
  };
}

async function carryOut(db: Work, call: OnceCall): Promise<{ answer: unknown; topics: readonly RingTopic[] }> {
  switch (call.verb) {
    case "keep":
      return { answer: call.args, topics: [] };
    case "orderEnd":
      return orderEnd(db, call.args);
    case "forceEnds": {
      const { topics, ...answer } = await forceEnds(db, call.args);
      return { answer, topics };
    }
    case "restartRuns": {
      const { results, topics } = await restartRuns(db, call.args.rows);
      return { answer: results, topics };
    }
    case "markRuns": {
      const { results, topics } = await markRuns(db, call.args.rows);
      return { answer: results, topics };
    }
    case "pauseRuns": {
      const { result, topics } = await pauseRuns(db, call.args);
      return { answer: result, topics };
    }
    case "resumeRuns": {
      // Those at its gate are let go afterwards.
      const { result, topics } = await resumeRuns(db, call.args.target);
      return { answer: result, topics };
    }
    case "pauseSchedule":
      return { answer: await pauseSchedule(db, call.args), topics: [] };
    case "transactState": {
      const { results, topics } = await transactState(db, call.args.rows);
      return { answer: results, topics };
    }
    case "noteJobs": {
      const { results, topics } = await noteJobs(db, call.args.rows);
      return { answer: results, topics };
    }
    case "removeSchedule":
      return { answer: await removeSchedule(db, call.args), topics: [] };
  }
}
