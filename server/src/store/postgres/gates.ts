import { firstPauseGate, type GateChange, withdrawnSlots } from "../../core/index.ts";
import type { LimitSize, LimitView } from "../store.ts";
import { msArray, numberArray, textArray } from "./arrays.ts";
import type { Runner, Transaction } from "./session.ts";
import type { SessionPool } from "./session-pool.ts";

// Slots and gates. The rules are core's (core/limits.ts); 0002_limits.sql carries them out beside the rows, in one statement.

/** Frees slots and hands them on, within the transaction that has written these changes. */
export function passGates(transaction: Transaction, changes: readonly GateChange[]): Promise<unknown> {
  const freed = changes.flatMap(({ run, frees, start }) =>
    frees.flatMap((limitId) => [
      { limitId, runId: run.id },
      ...(start === undefined ? [] : [{ limitId, runId: start }]),
    ]),
  );
  const arrived = changes.flatMap(({ run, arrives }) => (arrives ? [run] : []));
  for (const { limitId } of freed) transaction.touch(limitId);
  for (const { gate } of arrived) if (gate !== null) transaction.touch(gate);
  return transaction.run("passGates", passText, [
    textArray(freed.map(({ limitId }) => limitId)),
    textArray(freed.map(({ runId }) => runId)),
    textArray(arrived.map(({ id }) => id)),
  ]);
}

const passText = "select holdfast.pass_gates($1::text[], $2::text[], $3::text[])";

/** How many runs became claimable, and whether others may still be let in. */
interface HandedOut {
  readonly admitted: number;
  readonly more: boolean;
}

/** Lets in who stands at these gates: some of them, so that nobody waits for a long line. */
export function handOut(db: Runner, limitIds: readonly string[]): Promise<HandedOut[]> {
  return db.run("handOut", handOutText, [textArray(limitIds)]);
}

const handOutText = "select h.admitted, h.more from holdfast.hand_out($1::text[]) h";

/** Gates that one review looks at: there may be one for each of very many keys. */
const reviewedGates = 500;

/**
 * Lets in whoever stands at a gate that is open: what transactions that ran at the same time did not see of each other. It
 * looks at some, from after the gate `after` on. `last`: where the next review goes on; empty: from the first gate.
 */
export async function reviewGates(db: Runner, after: string): Promise<HandedOut & { readonly last: string }> {
  const [row] = await db.run<HandedOut & { last: string | null; gates: number }>("reviewGates", reviewText, [
    after,
    reviewedGates,
  ]);
  if (row === undefined) return { admitted: 0, more: false, last: "" };
  const { admitted, more, gates } = row;
  if (more) return { admitted, more, last: after };
  return { admitted, more, last: gates < reviewedGates ? "" : (row.last ?? "") };
}

// Gates at which somebody stands, by hopping from each to the next in their index.
const reviewText = `
  with recursive hop as (
    (select r.gate, 1 as nth from holdfast.runs r
      where r.gate is not null and r.gate > $1 and r.gate < '${firstPauseGate}' order by r.gate limit 1)
    union all
    select (select r.gate from holdfast.runs r
      where r.gate is not null and r.gate > h.gate and r.gate < '${firstPauseGate}' order by r.gate limit 1), h.nth + 1
    from hop h where h.gate is not null and h.nth < $2::int
  ),
  seen as materialized (select h.gate from hop h where h.gate is not null)
  select o.admitted, o.more, (select max(s.gate) from seen s) as last, (select count(*)::int from seen) as gates
  from holdfast.hand_out(array(
    select h.gate from seen h where exists (
      select 1 from holdfast.slots s where s.limit_id = h.gate and s.run_id is null))) o`;

/** See `Store.declareLimits`. */
export function declareLimits(
  pool: SessionPool,
  { limits, withdrawn }: { limits: readonly LimitSize[]; withdrawn: readonly string[] },
): Promise<void> {
  return pool.transaction(async (transaction) => {
    const known = withdrawn.length === 0 ? [] : await findLimits(transaction, withdrawn);
    await resizeLimits(
      transaction,
      known.map(({ id }) => ({ id, slots: withdrawnSlots })),
      false,
    );
    await resizeLimits(transaction, limits, true);
    for (const { id } of [...limits, ...known]) transaction.touch(id);
  });
}

/** Those of these limits that there are. */
export function findLimits(db: Runner, ids: readonly string[]): Promise<{ id: string }[]> {
  return db.run("findLimits", "select l.id from holdfast.limits l where l.id = any ($1::text[])", [textArray(ids)]);
}

/** Sets how many slots these limits have, and whether they stay when nobody needs them. */
export function resizeLimits(db: Runner, rows: readonly LimitSize[], stay: boolean): Promise<unknown> {
  const parameters = [
    textArray(rows.map(({ id }) => id)),
    numberArray(rows.map(({ slots }) => slots)),
    msArray(rows.map(({ perMs }) => perMs ?? null)),
    stay,
  ];
  return db.run("resizeLimits", "select holdfast.declare_limits($1::text[], $2::int[], $3::bigint[], $4)", parameters);
}

/** See `Store.listLimits`. */
export async function listLimits(db: Runner, prefix: string): Promise<LimitSize[]> {
  return (await db.run<StoredSize>("listLimits", listText, [prefix, `${prefix}\u{10ffff}`])).map(sizeOf);
}

interface StoredSize {
  readonly id: string;
  readonly slots: number;
  readonly per_ms: number | null;
}

function sizeOf({ id, slots, per_ms: perMs }: StoredSize): LimitSize {
  return perMs === null ? { id, slots } : { id, slots, perMs };
}

const listText = `
  select l.id, l.slots, l.per_ms from holdfast.limits l where l.id >= $1 and l.id < $2 and l.declared order by l.id`;

/** Forgets limits that nobody declared, holds or stands at, at most `limitRows`; answers how many. */
export function forgetIdleLimits(db: Runner, limitRows: number): Promise<{ limits: number }[]> {
  const text = "select holdfast.forget_idle_limits($1, $2) as limits";
  return db.run("forgetIdleLimits", text, [withdrawnSlots, limitRows]);
}

interface StoredLimit extends StoredSize {
  readonly holders: string;
  readonly standing: string;
  readonly starts: string;
}

/** See `Store.findLimit`. */
export async function findLimit(
  db: Runner,
  { id, limitRows }: { id: string; limitRows: number },
): Promise<LimitView | undefined> {
  const [row] = await db.run<StoredLimit>("findLimit", findText, [id, limitRows]);
  if (row === undefined) return undefined;
  const ids = (text: string) => JSON.parse(text) as string[];
  const view = { ...sizeOf(row), holders: ids(row.holders), standing: ids(row.standing) };
  return row.per_ms === null ? view : { ...view, starts: JSON.parse(row.starts) as number[] };
}

const findText = `
  select l.id, l.slots, l.per_ms,
    array_to_json(array(select s.run_id from holdfast.slots s
      where s.limit_id = l.id and s.run_id is not null and s.free_at is null order by s.run_id limit $2))::text as holders,
    array_to_json(array(select s.free_at from holdfast.slots s where s.limit_id = l.id and s.free_at is not null
      order by s.free_at limit $2))::text as starts,
    array_to_json(array(select r.id from holdfast.runs r where r.gate = l.id order by r.rank, r.ord limit $2))::text as standing
  from holdfast.limits l where l.id = $1`;
