import {
  firstGate,
  firstPauseGate,
  type GateChange,
  type Gates,
  gateChange,
  handOut,
  type Limit,
  type Passed,
  passGates as pass,
  type RunRow,
  type Standing,
  startId,
  withdrawnSlots,
} from "../../core/index.ts";
import { admitLimits } from "../admission.ts";
import type { LimitSize, LimitView } from "../store.ts";
import { type Connection, listText } from "./connection.ts";
import { selectLeanRuns } from "./run-rows.ts";
import type { Turn } from "./turn.ts";

// Slot rows and the lines at their gates (core/limits.ts), in the transaction that frees or wants a slot.

/** Gates that one review looks at: there may be one for each of very many keys. */
const reviewedGates = 500;

/** Of a connection: gates at which a line was not moved to its end, and the one at which the last review of the others stopped. */
interface Unreviewed {
  readonly known: Set<string>;
  last: string;
}
const unreviewed = new WeakMap<Connection, Unreviewed>();

function unreviewedOf(db: Connection): Unreviewed {
  const found = unreviewed.get(db) ?? { known: new Set(), last: "" };
  unreviewed.set(db, found);
  return found;
}

/** Frees slots and hands them on; answers how many runs became claimable. */
export function passGates(db: Connection, changes: readonly GateChange[], now: number): number {
  if (changes.length === 0) return 0;
  const { admitted, more } = pass(new SlotRows(db), changes, now);
  for (const id of more) unreviewedOf(db).known.add(id);
  return admitted;
}

/** Lets in who stands at a gate although there is room: some gates a call, all in their turn. `more`: that it knows of. */
export function reviewGates(db: Connection, now: number): Passed {
  const { known } = unreviewedOf(db);
  const ids = known.size > 0 ? [...known].slice(0, reviewedGates) : nextGates(db);
  for (const id of ids) known.delete(id);
  const { admitted, more } = handOut(new SlotRows(db), ids, now);
  for (const id of more) known.add(id);
  return { admitted, more: [...known] };
}

/** Gates that may be open, from after the last that was looked at. */
function nextGates(db: Connection): string[] {
  const state = unreviewedOf(db);
  const gates = db.list<{ id: string; isOpen: number }>(
    `WITH RECURSIVE hop (gate) AS (
       SELECT min(gate) FROM runs WHERE gate IS NOT NULL AND gate > ? AND gate < '${firstPauseGate}'
       UNION ALL
       SELECT (SELECT min(gate) FROM runs WHERE gate IS NOT NULL AND gate > hop.gate AND gate < '${firstPauseGate}')
       FROM hop WHERE hop.gate IS NOT NULL LIMIT ${reviewedGates})
     SELECT gate AS id, EXISTS (SELECT 1 FROM slots s WHERE s.limit_id = hop.gate AND s.run_id IS NULL) AS isOpen
     FROM hop WHERE gate IS NOT NULL`,
    state.last,
  );
  state.last = gates.length < reviewedGates ? "" : (gates.at(-1)?.id ?? "");
  return gates.flatMap(({ id, isOpen }) => (isOpen === 1 ? id : []));
}

/** Puts runs that were due in line at their first gate. */
export function arriveAtGates(db: Connection, seqs: readonly number[], now: number): void {
  if (seqs.length === 0) return;
  const rows = selectLeanRuns(db, "WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq", listText(seqs));
  const slots = new SlotRows(db);
  const changes = rows.flatMap(({ run }) => {
    const gate = firstGate(run);
    if (gate === null) return [];
    slots.move(run.id, gate, run.rank);
    return gateChange(run, { ...run, gate }) ?? [];
  });
  passGates(db, changes, now);
}

export function declareLimits(
  { db, now, ring }: Turn,
  { limits, withdrawn }: { limits: readonly LimitSize[]; withdrawn: readonly string[] },
): void {
  admitLimits(limits);
  const rows = new SlotRows(db);
  for (const id of withdrawn) rows.withdraw(id);
  for (const limit of limits) rows.resize(limit, true);
  if (handOut(rows, [...limits.map(({ id }) => id), ...withdrawn], now).admitted > 0) ring("ready");
}

export function listLimits({ db }: Turn, { prefix }: { prefix: string }): LimitSize[] {
  return declaredLimits(db, prefix);
}

function declaredLimits(db: Connection, prefix: string): LimitSize[] {
  return db
    .list<StoredSize>(
      "SELECT id, slots, per_ms AS perMs FROM limits WHERE id >= ? AND id < ? AND declared = 1 ORDER BY id",
      prefix,
      `${prefix}\u{10ffff}`,
    )
    .map(sizeOf);
}

/** Forgets limits that nobody declared, holds or stands at, `limitRows` at most. True when more may be left. */
export function forgetIdleLimits(db: Connection, limitRows: number): boolean {
  const idle = db.list<{ id: string }>(
    `SELECT id FROM limits l INDEXED BY limits_undeclared WHERE declared = 0 AND slots <> ${withdrawnSlots}
       AND NOT EXISTS (SELECT 1 FROM slots s WHERE s.limit_id = l.id AND s.run_id IS NOT NULL)
       AND NOT EXISTS (SELECT 1 FROM runs r INDEXED BY runs_at_gates WHERE r.gate = l.id) LIMIT ?`,
    limitRows,
  );
  for (const { id } of idle) {
    db.run("DELETE FROM limits WHERE id = ?", id);
    db.run("DELETE FROM slots WHERE limit_id = ?", id);
  }
  return idle.length === limitRows;
}

export function findLimit({ db }: Turn, { id, limitRows }: { id: string; limitRows: number }): LimitView | undefined {
  const limit = db.find<StoredSize>("SELECT id, slots, per_ms AS perMs FROM limits WHERE id = ?", id);
  if (limit === undefined) return undefined;
  const holders = db.list<{ id: string }>(
    "SELECT run_id AS id FROM slots WHERE limit_id = ? AND run_id IS NOT NULL AND free_at IS NULL ORDER BY run_id LIMIT ?",
    id,
    limitRows,
  );
  const standing = db.list<{ id: string }>(
    "SELECT id FROM runs INDEXED BY runs_at_gates WHERE gate = ? ORDER BY rank, seq LIMIT ?",
    id,
    limitRows,
  );
  const idsOf = (rows: readonly { id: string }[]) => rows.map((row) => row.id);
  const view = { ...sizeOf(limit), holders: idsOf(holders), standing: idsOf(standing) };
  if (limit.perMs === null) return view;
  const starts = db.list<{ at: number }>(
    "SELECT free_at AS at FROM slots WHERE limit_id = ? AND free_at IS NOT NULL ORDER BY free_at LIMIT ?",
    id,
    limitRows,
  );
  return { ...view, starts: starts.map(({ at }) => at) };
}

interface StoredSize {
  readonly id: string;
  readonly slots: number;
  readonly perMs: number | null;
}

function sizeOf({ id, slots, perMs }: StoredSize): LimitSize {
  return perMs === null ? { id, slots } : { id, slots, perMs };
}

/** Runs have been claimed: what they hold of rates is their starts' from now on. */
export function startRates(db: Connection, runs: readonly RunRow[], now: number): void {
  for (const run of runs) {
    for (const { id } of run.limits) {
      db.run(
        "UPDATE slots SET run_id = ?, free_at = ? + per_ms WHERE limit_id = ? AND run_id = ? AND per_ms IS NOT NULL",
        startId(run),
        now,
        id,
        run.id,
      );
    }
  }
}

/** Frees what starts held that are over, at most `limitRows`, and hands it on. */
export function endStarts(db: Connection, now: number, limitRows: number): Passed {
  const due = db.list<{ limitId: string; holder: string }>(
    `SELECT limit_id AS limitId, run_id AS holder FROM slots INDEXED BY slots_due
     WHERE free_at IS NOT NULL AND free_at <= ? ORDER BY free_at LIMIT ?`,
    now,
    limitRows,
  );
  if (due.length === 0) return { admitted: 0, more: [] };
  const rows = new SlotRows(db);
  for (const { limitId, holder } of due) rows.free(limitId, holder);
  const { admitted, more } = handOut(rows, new Set(due.map(({ limitId }) => limitId)), now);
  for (const id of more) unreviewedOf(db).known.add(id);
  return { admitted, more };
}

/** When the next start is over; undefined where none holds anything. */
export function nextStartEnd(db: Connection): number | undefined {
  return db.find<{ at: number }>(
    "SELECT free_at AS at FROM slots INDEXED BY slots_due WHERE free_at IS NOT NULL ORDER BY free_at LIMIT 1",
  )?.at;
}

class SlotRows implements Gates {
  readonly #db: Connection;

  constructor(db: Connection) {
    this.#db = db;
  }

  resize({ id, slots, perMs }: LimitSize, declared: boolean): void {
    const before = this.#find(id);
    this.#db.run(
      `INSERT INTO limits (id, slots, declared, per_ms) VALUES (?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET slots = excluded.slots, declared = excluded.declared, per_ms = excluded.per_ms`,
      id,
      slots,
      Number(declared),
      perMs ?? null,
    );
    for (let place = (before?.slots ?? 0) + 1; place <= slots; place++) {
      this.#db.run(
        "INSERT INTO slots (limit_id, place, per_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        id,
        place,
        perMs ?? null,
      );
    }
    if (before !== undefined && before.perMs !== (perMs ?? null)) this.#changePer(id, before.perMs, perMs ?? null);
    while (this.#fillGap(id, slots));
  }

  /** A start holds its slot as long as the limit says now (core's `movedEnd`). */
  #changePer(id: string, before: number | null, perMs: number | null): void {
    if (perMs === null)
      this.#db.run("UPDATE slots SET run_id = NULL, free_at = NULL WHERE limit_id = ? AND free_at IS NOT NULL", id);
    this.#db.run(
      "UPDATE slots SET per_ms = ?, free_at = free_at - ? + ? WHERE limit_id = ?",
      perMs,
      before ?? 0,
      perMs ?? 0,
      id,
    );
  }

  #find(id: string): (StoredSize & { readonly declared: number }) | undefined {
    return this.#db.find("SELECT id, slots, per_ms AS perMs, declared FROM limits WHERE id = ?", id);
  }

  /** Fewer slots: a holder above them takes a place that is free below, so that what is free can be had by nobody else. */
  #fillGap(id: string, slots: number): boolean {
    const gap = this.#db.find<{ place: number }>(
      "SELECT place FROM slots WHERE limit_id = ? AND run_id IS NULL LIMIT 1",
      id,
    );
    const above =
      this.#db.find<{ place: number }>("SELECT max(place) AS place FROM slots WHERE limit_id = ?", id)?.place ?? 0;
    if (gap === undefined || above <= slots) return false;
    this.#db.run("DELETE FROM slots WHERE limit_id = ? AND place = ?", id, gap.place);
    if (above > gap.place)
      this.#db.run("UPDATE slots SET place = ? WHERE limit_id = ? AND place = ?", gap.place, id, above);
    return true;
  }

  /** It stays, so that none of its runs makes it again as it was. */
  withdraw(id: string): void {
    if (this.#db.find("SELECT 1 FROM limits WHERE id = ?", id) === undefined) return;
    this.resize({ id, slots: withdrawnSlots }, false);
  }

  open(limit: Limit): void {
    if (this.#find(limit.id) === undefined) this.resize(limit, false);
  }

  renew(limit: Limit): void {
    const known = this.#find(limit.id);
    const isOther = known?.slots !== limit.slots || known.perMs !== (limit.perMs ?? null);
    const isItsOwn = known !== undefined && known.declared === 0 && known.slots !== withdrawnSlots;
    if (known === undefined || (isItsOwn && isOther)) this.resize(limit, false);
  }

  free(limitId: string, holder: string): void {
    const { changes } = this.#db.run(
      "UPDATE slots SET run_id = NULL, free_at = NULL WHERE limit_id = ? AND run_id = ?",
      limitId,
      holder,
    );
    if (changes > 0) this.#fillGap(limitId, this.#find(limitId)?.slots ?? 0);
  }

  holds(limitId: string, runId: string): boolean {
    return this.#db.find("SELECT 1 FROM slots WHERE limit_id = ? AND run_id = ?", limitId, runId) !== undefined;
  }

  hasFree(limitId: string): boolean {
    return this.#db.find("SELECT 1 FROM slots WHERE limit_id = ? AND run_id IS NULL", limitId) !== undefined;
  }

  take(limitId: string, runId: string): void {
    this.#db.run(
      `UPDATE slots SET run_id = ? WHERE limit_id = ? AND place = (
         SELECT place FROM slots INDEXED BY slots_free WHERE limit_id = ? AND run_id IS NULL ORDER BY place LIMIT 1)`,
      runId,
      limitId,
      limitId,
    );
  }

  first(limitId: string): Standing | undefined {
    const rest = "INDEXED BY runs_at_gates WHERE gate = ? ORDER BY rank, seq LIMIT 1";
    const [found] = selectLeanRuns(this.#db, rest, limitId);
    return found === undefined ? undefined : { run: found.run, place: found.seq };
  }

  move(runId: string, gate: string | null, rank: number): void {
    this.#db.run("UPDATE runs SET gate = ?, rank = ? WHERE id = ?", gate, rank, runId);
  }
}
