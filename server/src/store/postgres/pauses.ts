import type { Json } from "@holdfast/protocol";
import {
  type GateChange,
  Ledger,
  letGo,
  limitsAside,
  type PauseRow,
  type PauseTarget,
  pauseId,
  pausesOver,
  type RunRow,
} from "../../core/index.ts";
import type { PauseResult, RingTopic } from "../store.ts";
import { textArray } from "./arrays.ts";
import { passGates } from "./gates.ts";
import { type StoredRun, slimRunColumns, toRun } from "./run-rows.ts";
import type { Runner, Transaction, Work } from "./session.ts";
import type { SessionPool } from "./session-pool.ts";
import { decideAndWrite, lockRuns, nowOf } from "./settling.ts";

// Pauses and their gates (core/pauses.ts; 0004_pauses.sql says how a claim and a pause keep out of each other's way). Locks: a
// run's row, then the one of all pauses; those who hold the latter in share wait for no row.

const columns = "p.namespace, p.kind, p.name, p.since, p.reason";

export interface Paused {
  readonly result: PauseResult;
  readonly topics: readonly RingTopic[];
}

/** See `Store.pauseRuns`. */
export function pauseRuns(
  pool: Work,
  { target, reason }: { target: PauseTarget; reason: string | null },
): Promise<Paused> {
  return pool.transaction(async (transaction) => {
    const run = await lockTarget(transaction, target);
    if (run !== undefined && "outcome" in run) return { result: run, topics: [] };
    await holdPausing(transaction);
    const [before] = await findHeld(transaction, [pauseId(target)]);
    if (before !== undefined) return { result: { outcome: "unchanged", since: before.since }, topics: [] };
    const [made] = await insertPause(transaction, target, reason);
    notePausing(transaction);
    const topics = run === undefined ? [] : await remark(transaction, run, "run.paused", { reason });
    return { result: { outcome: "done", since: made?.since ?? 0 }, topics };
  });
}

/** See `Store.resumeRuns`; those at its gate are still to be let go. */
export function resumeRuns(pool: Work, target: PauseTarget): Promise<Paused> {
  return pool.transaction(async (transaction) => {
    const run = await lockTarget(transaction, target);
    if (run !== undefined && "outcome" in run) return { result: run, topics: [] };
    await holdPausing(transaction);
    const [before] = await endPause(transaction, pauseId(target));
    if (before === undefined) return { result: { outcome: "unchanged", since: null }, topics: [] };
    notePausing(transaction);
    const topics = run === undefined ? [] : await remark(transaction, run, "run.resumed", { since: before.since });
    return { result: { outcome: "done", since: before.since }, topics };
  });
}

/** See `Store.listPauses`. */
export async function listPauses(
  db: Runner,
  args: { namespace: string; kind?: PauseRow["kind"]; after?: string; limitRows: number },
): Promise<PauseRow[]> {
  const { namespace, kind = null, after = "", limitRows } = args;
  return [...(await db.run<PauseRow>("listPauses", listText, [namespace, kind, after, limitRows]))];
}

const listText = `
  select ${columns} from holdfast.pauses p
  where p.namespace = $1 and not p.over and p.id > $3 and ($2::text is null or p.kind = $2)
    and (p.kind <> 'run' or exists (select 1 from holdfast.runs r where r.id = p.name and r.ended_at is null))
  order by p.id limit $4`;

/** See `Store.findPauses`. */
export async function findPauses(db: Runner, runId: string): Promise<PauseRow[]> {
  const chain = (await loadChain(db, runId)).map(toRun);
  if (chain[0] === undefined || chain[0].endedAt !== null) return [];
  const ids = pausesOver(chain);
  const byId = new Map((await findHeld(db, ids)).map((row) => [pauseId(row), row]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

/** A run and those above it, its parent first. */
export function loadChain(db: Runner, runId: string): Promise<StoredRun[]> {
  return db.run("loadChain", chainText, [runId]);
}

const chainText = `
  with recursive chain as (
    select r.id, r.parent_id, 0 as height from holdfast.runs r where r.id = $1
    union all
    select r.id, r.parent_id, c.height + 1 from chain c join holdfast.runs r on r.id = c.parent_id
  )
  select ${slimRunColumns} from chain c join holdfast.runs r on r.id = c.id order by c.height`;

/**
 * Puts claimable runs at the gates of the pauses that stand over them now, whatever the claim saw that met them. Rows that others
 * hold are passed over.
 */
export function putAside(pool: SessionPool, ids: readonly string[]): Promise<void> {
  return pool.transaction(async (transaction) => {
    await transaction.run("latestPausing", "select holdfast.latest_pausing()");
    const runs = (await moveAside(transaction, ids)).map(toRun);
    const changes = runs.map((run) => ({ run, frees: limitsAside(run).map(({ id }) => id), arrives: false }));
    const freeing = changes.filter(({ frees }) => frees.length > 0);
    if (freeing.length > 0) await passGates(transaction, freeing);
  });
}

/** Moves claimable runs to the gates of pauses. */
export function moveAside(db: Runner, ids: readonly string[]): Promise<StoredRun[]> {
  return db.run("moveAside", asideText, [textArray(ids)]);
}

const asideText = `
  with met as materialized (
    select r.id, holdfast.pause_over(r.namespace, r.queue, r.definition, r.id, r.parent_id) as gate from holdfast.runs r
    where r.id = any ($1::text[]) and r.status = 'ready' and r.wake_at is null and r.gate is null
    order by r.id for update of r skip locked
  )
  update holdfast.runs r set gate = m.gate from met m where r.id = m.id and m.gate is not null returning ${slimRunColumns}`;

/** Lets go of those who stand at gates of pauses that are over, a page of them. */
export function letGoSome(pool: SessionPool, limitRows: number): Promise<{ letGo: number; more: boolean }> {
  return pool.transaction(async (transaction) => {
    const over = await listOver(transaction);
    if (over.length === 0) return { letGo: 0, more: false };
    const ids = over.map(({ id }) => id);
    const standing = (await lockStanding(transaction, ids, limitRows)).map(toRun);
    const free = standing.map(letGo);
    await moveRuns(transaction, free);
    const arrived = free.flatMap((run): GateChange[] => (run.gate === null ? [] : [{ run, frees: [], arrives: true }]));
    if (arrived.length > 0) await passGates(transaction, arrived);
    // Asked again: somebody may have paused what was over.
    await deleteEmpty(transaction, ids);
    return { letGo: free.length, more: (await listOver(transaction)).length > 0 };
  });
}

/** Pauses that are over. */
export function listOver(db: Runner): Promise<{ id: string }[]> {
  return db.run("listOver", "select p.id from holdfast.pauses p where p.over order by p.id");
}

/** Who stands at these gates, gate by gate, as they stand in line; who is held by somebody else is passed over. */
export function lockStanding(db: Runner, ids: readonly string[], limitRows: number): Promise<StoredRun[]> {
  return db.run("lockStanding", standingText, [textArray(ids), limitRows]);
}

const standingText = `
  select ${slimRunColumns} from holdfast.runs r where r.gate = any ($1::text[])
  order by r.gate, r.rank, r.ord limit $2 for update of r skip locked`;

/** Writes where runs stand. */
export function moveRuns(db: Runner, runs: readonly RunRow[]): Promise<unknown> {
  return db.run("moveRuns", moveText, [textArray(runs.map(({ id }) => id)), textArray(runs.map(({ gate }) => gate))]);
}

const moveText = `
  update holdfast.runs r set gate = n.gate from unnest($1::text[], $2::text[]) n(id, gate) where r.id = n.id`;

/** Forgets pauses that are over and at whose gates nobody stands. */
export function deleteEmpty(db: Runner, ids: readonly string[]): Promise<unknown> {
  return db.run("deleteEmptyPauses", deleteEmptyText, [textArray(ids)]);
}

const deleteEmptyText = `
  delete from holdfast.pauses p where p.id = any ($1::text[]) and p.over
    and not exists (select 1 from holdfast.runs r where r.gate = p.id)`;

/** Forgets pauses of runs that are over. */
export function forgetPauses(db: Runner): Promise<unknown> {
  return db.run("forgetPauses", forgetText);
}

const forgetText = `
  delete from holdfast.pauses p where p.kind = 'run'
    and not exists (select 1 from holdfast.runs r where r.id = p.name and r.ended_at is null)`;

function findHeld(db: Runner, ids: readonly string[]): Promise<PauseRow[]> {
  return db.run<PauseRow>("findHeldPauses", findHeldText, [textArray(ids)]);
}

const findHeldText = `select ${columns} from holdfast.pauses p where p.id = any ($1::text[]) and not p.over`;

function holdPausing(db: Runner): Promise<unknown> {
  return db.run("holdPausing", "select holdfast.hold_pausing()");
}

/** It travels with the commit. */
function notePausing(transaction: Transaction): void {
  transaction.start("notePausing", "select holdfast.note_pausing()");
}

/** Makes a pause, also out of one that is over. */
export function insertPause(db: Runner, target: PauseTarget, reason: string | null): Promise<{ since: number }[]> {
  const { namespace, kind, name } = target;
  return db.run("insertPause", insertText, [pauseId(target), namespace, kind, name, reason]);
}

const insertText = `
  insert into holdfast.pauses as p (id, namespace, kind, name, since, reason)
  values ($1, $2, $3, $4, holdfast.clock_ms(), $5)
  on conflict (id) do update set since = excluded.since, reason = excluded.reason, over = false
  returning p.since`;

/** Ends a pause that holds. */
export function endPause(db: Runner, id: string): Promise<{ since: number }[]> {
  return db.run(
    "endPause",
    "update holdfast.pauses p set over = true where p.id = $1 and not p.over returning p.since",
    [id],
  );
}

/** The run that is to be paused, held; undefined for a queue or definition. */
async function lockTarget(
  transaction: Transaction,
  { kind, name, namespace }: PauseTarget,
): Promise<
  { readonly row: RunRow; readonly now: number } | Extract<PauseResult, { outcome: "ended" | "not_found" }> | undefined
> {
  if (kind !== "run") return undefined;
  const rows = await lockRuns(transaction, [name]);
  const [row] = rows.map(toRun);
  if (row === undefined || row.namespace !== namespace) return { outcome: "not_found" };
  return row.endedAt === null ? { row, now: nowOf(rows) } : { outcome: "ended" };
}

async function remark(
  transaction: Transaction,
  { row, now }: { readonly row: RunRow; readonly now: number },
  type: "run.paused" | "run.resumed",
  data: Json,
): Promise<readonly RingTopic[]> {
  const ledger = new Ledger(now);
  ledger.load([row]);
  return (await decideAndWrite(transaction, ledger, () => ledger.remark(row.id, type, data))).topics;
}
