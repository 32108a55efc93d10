import { isEnded } from "@holdfast/protocol";
import {
  type Edge,
  isTrackable,
  isWithoutJobs,
  isWithoutWaits,
  Ledger,
  type LedgerChanges,
  type RunRow,
  type WaitChanges,
  type WaitName,
} from "../../core/index.ts";
import type { RingTopic } from "../store.ts";
import { textArray } from "./arrays.ts";
import { passGates } from "./gates.ts";
import { writeJobs } from "./job-rows.ts";
import { followObligations } from "./obligations.ts";
import { insertEvents } from "./outbox.ts";
import {
  insertRuns,
  type StoredRun,
  slimRunColumns,
  toRun,
  updateRuns,
  writeLimits,
  writeRestarts,
} from "./run-rows.ts";
import type { Runner, Transaction } from "./session.ts";
import {
  clearWaits,
  deleteSignals,
  deleteWaits,
  findWaits,
  insertSignals,
  insertWaits,
  regroupWaits,
  writeRecords,
} from "./wait-rows.ts";

// Lock, decide, write back: the one way in which ends, cancels and takeovers change runs.
//
// P3  One transaction holds the rows from before core's Ledger decides until everything that follows is written.
// P9  The ledger's moment is read from the server's clock after the locks were taken.
// Rows are locked in the order of their ids, in one statement where they are known; a cascade locks further ones, and should
// that end in a deadlock, the transaction is repeated whole.

interface LockedRun extends StoredRun {
  readonly now: number;
}

/** Locks the runs of `ids` and, for each that could end, its parent and the runs that wait for it. */
export function lockRunsWithLinks(db: Runner, ids: readonly string[]): Promise<LockedRun[]> {
  return db.run<LockedRun>("lockRunsWithLinks", lockWithLinksText, [textArray(ids)]);
}

// Ids of parents and dependents never change, so a snapshot from before the locks is good enough to collect them.
const lockWithLinksText = `
  with wanted as materialized (select unnest($1::text[]) as id),
  linked as materialized (
    select id from wanted
    union select r.parent_id from wanted w join holdfast.runs r on r.id = w.id where r.parent_id is not null
    union select e.downstream from wanted w join holdfast.edges e on e.upstream = w.id where not e.flipped
  )
  select ${slimRunColumns}, holdfast.clock_ms() as now
  from holdfast.runs r where r.id in (select id from linked) order by r.id for update of r`;

/** Locks the runs of `ids` alone. */
export function lockRuns(db: Runner, ids: readonly string[]): Promise<LockedRun[]> {
  return db.run<LockedRun>("lockRuns", lockText, [textArray(ids)]);
}

const lockText = `
  select ${slimRunColumns}, holdfast.clock_ms() as now
  from holdfast.runs r where r.id in (select unnest($1::text[])) order by r.id for update of r`;

/** Locks those runs of `ids` that nobody else holds. */
export function lockFreeRuns(db: Runner, ids: readonly string[]): Promise<LockedRun[]> {
  return db.run<LockedRun>("lockFreeRuns", `${lockText} skip locked`, [textArray(ids)]);
}

/** Edges from the runs of `ids` that have not been flipped. */
export function listOpenEdges(db: Runner, ids: readonly string[]): Promise<Edge[]> {
  return db.run<Edge & object>("listOpenEdges", openEdgesText, [textArray(ids)]);
}

const openEdgesText = `
  select e.upstream, e.downstream from unnest($1::text[]) w(id) join holdfast.edges e on e.upstream = w.id
  where not e.flipped order by e.upstream, e.downstream`;

/** Inserts edges. */
export function insertEdges(db: Runner, edges: readonly Edge[]): Promise<unknown> {
  const parameters = [textArray(edges.map((edge) => edge.upstream)), textArray(edges.map((edge) => edge.downstream))];
  return db.run("insertEdges", insertEdgesText, parameters);
}

const insertEdgesText = `
  insert into holdfast.edges (upstream, downstream) select * from unnest($1::text[], $2::text[]) on conflict do nothing`;

/** Flips edges. */
export function flipEdges(db: Runner, edges: readonly Edge[]): Promise<unknown> {
  const parameters = [textArray(edges.map((edge) => edge.upstream)), textArray(edges.map((edge) => edge.downstream))];
  return db.run("flipEdges", flipEdgesText, parameters);
}

const flipEdgesText = `
  update holdfast.edges e set flipped = true from unnest($1::text[], $2::text[]) n(upstream, downstream)
  where e.upstream = n.upstream and e.downstream = n.downstream`;

/** Takes back that edges were flipped. */
export function unflipEdges(db: Runner, edges: readonly Edge[]): Promise<unknown> {
  const parameters = [textArray(edges.map((edge) => edge.upstream)), textArray(edges.map((edge) => edge.downstream))];
  return db.run("unflipEdges", unflipEdgesText, parameters);
}

const unflipEdgesText = `
  update holdfast.edges e set flipped = false from unnest($1::text[], $2::text[]) n(upstream, downstream)
  where e.upstream = n.upstream and e.downstream = n.downstream`;

export interface Settled<T> {
  readonly value: T;
  readonly topics: readonly RingTopic[];
}

/**
 * Locks what `ids` name and what hangs on it, lets `decide` say what happens, and starts writing it. `load`: locks what belongs to
 * these runs besides, in the same round trip, and answers how a ledger takes it in.
 */
export async function settle<T>(
  transaction: Transaction,
  ids: readonly string[],
  decide: (ledger: Ledger) => T,
  load?: () => Promise<(ledger: Ledger) => void>,
): Promise<Settled<T>> {
  if (ids.length === 0) return { value: decide(new Ledger(0)), topics: [] };
  const [rows, edges, take] = await Promise.all([
    lockRunsWithLinks(transaction, ids),
    listOpenEdges(transaction, ids),
    load?.(),
  ]);
  const ledger = new Ledger(nowOf(rows));
  ledger.load(rows.map(toRun));
  take?.(ledger);
  await link(transaction, ledger, ids, edges);
  return decideAndWrite(transaction, ledger, decide);
}

/** As {@link settle}, for a ledger whose rows are locked already. */
export async function decideAndWrite<T>(
  transaction: Transaction,
  ledger: Ledger,
  decide: (ledger: Ledger) => T,
): Promise<Settled<T>> {
  const value = decide(ledger);
  for (let wanting = ledger.propagate(); wanting.length > 0; wanting = ledger.propagate()) {
    const [rows, edges] = await Promise.all([
      lockRunsWithLinks(transaction, wanting),
      listOpenEdges(transaction, wanting),
    ]);
    ledger.load(rows.map(toRun));
    await link(transaction, ledger, wanting, edges);
  }
  const changes = ledger.changes();
  startWriting(transaction, changes);
  return { value, topics: topicsOf(changes, ledger.readied) };
}

/** The latest moment at which a row was locked. */
export function nowOf(rows: readonly LockedRun[]): number {
  return rows.reduce((now, row) => Math.max(now, row.now), 0);
}

/** Hands over edges, after locking dependents that an earlier snapshot did not show. */
async function link(transaction: Transaction, ledger: Ledger, ids: readonly string[], edges: Edge[]): Promise<void> {
  const unknown = edges.map((edge) => edge.downstream).filter((id) => ledger.row(id) === undefined);
  const rows = unknown.length === 0 ? [] : await lockRuns(transaction, [...new Set(unknown)]);
  const called = ids.flatMap((id) => calledBy(ledger, id));
  const waits = called.length === 0 ? [] : await findWaits(transaction, called);
  ledger.link(ids, { edges, rows: rows.map(toRun), waits });
}

/** What a body waits for by whom a run was called. */
function calledBy(ledger: Ledger, id: string): WaitName[] {
  const { parentId = null, parentGeneration = 0, name = "" } = ledger.row(id) ?? {};
  const isWaited = parentId !== null && (ledger.row(parentId)?.waiting ?? null) !== null;
  return isWaited ? [{ runId: parentId, generation: parentGeneration, key: name }] : [];
}

/** Starts the statements that write the changes; they travel with the commit. */
function startWriting(transaction: Transaction, changes: LedgerChanges): void {
  const { inserted, updated, newEdges, unflippedEdges, flippedEdges, restarted, relimited, events } = changes;
  const { gates, waits, jobs, obligations } = changes;
  const writes: Promise<unknown>[] = [];
  if (restarted.length > 0) writes.push(writeRestarts(transaction, restarted));
  if (updated.length > 0) writes.push(updateRuns(transaction, updated));
  if (relimited.length > 0) writes.push(writeLimits(transaction, relimited));
  if (inserted.length > 0) writes.push(insertRuns(transaction, inserted));
  // Those that were called and given up by the same call have ended before they were ever there.
  const stillborn = inserted.filter(({ endedAt }) => endedAt !== null);
  if (stillborn.length > 0) writes.push(updateRuns(transaction, stillborn));
  if (newEdges.length > 0) writes.push(insertEdges(transaction, newEdges));
  if (unflippedEdges.length > 0) writes.push(unflipEdges(transaction, unflippedEdges));
  if (flippedEdges.length > 0) writes.push(flipEdges(transaction, flippedEdges));
  if (!isWithoutWaits(waits)) writes.push(...writeWaits(transaction, waits));
  if (!isWithoutJobs(jobs)) writes.push(...writeJobs(transaction, jobs));
  if (events.length > 0) writes.push(insertEvents(transaction, events));
  if (obligations.length > 0) writes.push(followObligations(transaction, obligations));
  if (gates.length > 0) writes.push(passGates(transaction, gates));
  for (const write of writes) {
    write.catch(() => {
      // The transaction remembers it and fails.
    });
  }
}

function writeWaits(transaction: Transaction, waits: WaitChanges): Promise<unknown>[] {
  const { cleared, ended, opened, regrouped, records, keptSignals, takenSignals } = waits;
  const writes: Promise<unknown>[] = [];
  if (cleared.length > 0) writes.push(clearWaits(transaction, cleared));
  if (ended.length > 0) writes.push(deleteWaits(transaction, ended));
  if (opened.length > 0) writes.push(insertWaits(transaction, opened));
  if (regrouped.length > 0) writes.push(regroupWaits(transaction, regrouped));
  if (records.length > 0) writes.push(writeRecords(transaction, records));
  if (keptSignals.length > 0) writes.push(insertSignals(transaction, keptSignals));
  if (takenSignals.length > 0) writes.push(deleteSignals(transaction, takenSignals));
  return writes;
}

function topicsOf(
  { inserted, updated, events, gates, obligations, jobs }: LedgerChanges,
  readied: number,
): RingTopic[] {
  const topics: RingTopic[] = [];
  // How many the gates let in is not waited for.
  if (readied > 0 || gates.length > 0) topics.push("ready");
  const isToAct = (run: RunRow) => run.status === "cancelling" && run.spreading;
  const isOrdered = jobs.ordered.length > 0;
  if (updated.some(isToAct) || isOrdered || obligations.some(({ became }) => became !== "met"))
    topics.push("cancelling");
  if (isOrdered || [...jobs.opened, ...jobs.updated].some(isTrackable)) topics.push("jobs");
  if ([...updated, ...inserted].some((run: RunRow) => isEnded(run.status))) topics.push("ended");
  if (events.length > 0) topics.push("events");
  return topics;
}
