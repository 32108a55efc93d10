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
  type Standing,
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
export function passGates(db: Connection, changes: readonly GateChange[]): number {
  if (changes.length === 0) return 0;
  const { admitted, more } = pass(new SlotRows(db), changes);
  for (const id of more) unreviewedOf(db).known.add(id);
  return admitted;
}

/** Lets in who stands at a gate although there is room: some gates a call, all in their turn. `more`: that it knows of. */
export function reviewGates(db: Connection): Passed {
  const { known } = unreviewedOf(db);
  const ids = known.size > 0 ? [...known].slice(0, reviewedGates) : nextGates(db);
  for (const id of ids) known.delete(id);
  const { admitted, more } = handOut(new SlotRows(db), ids);
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
export function arriveAtGates(db: Connection, seqs: readonly number[]): void {
  if (seqs.length === 0) return;
  const rows = selectLeanRuns(db, "WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq", listText(seqs));
  const slots = new SlotRows(db);
  const changes = rows.flatMap(({ run }) => {
    const gate = firstGate(run);
    if (gate === null) return [];
    slots.move(run.id, gate);
    return gateChange(run, { ...run, gate }) ?? [];
  });
  passGates(db, changes);
}

export function declareLimits(
  { db, ring }: Turn,
  { limits, withdrawn }: { limits: readonly LimitSize[]; withdrawn: readonly string[] },
): void {
  admitLimits(limits);
  const rows = new SlotRows(db);
  for (const id of withdrawn) rows.withdraw(id);
  for (const limit of limits) rows.resize(limit, true);
  if (handOut(rows, [...limits.map(({ id }) => id), ...withdrawn]).admitted > 0) ring("ready");
}

export function listLimits({ db }: Turn, { prefix }: { prefix: string }): LimitSize[] {
  return declaredLimits(db, prefix);
}

function declaredLimits(db: Connection, prefix: string): LimitSize[] {
  return db.list<LimitSize>(
    "SELECT id, slots FROM limits WHERE id >= ? AND id < ? AND declared = 1 ORDER BY id",
    prefix,
    `${prefix}\u{10ffff}`,
  );
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
  const limit = db.find<{ slots: number }>("SELECT slots FROM limits WHERE id = ?", id);
  if (limit === undefined) return undefined;
  const holders = db.list<{ id: string }>(
    "SELECT run_id AS id FROM slots WHERE limit_id = ? AND run_id IS NOT NULL ORDER BY run_id LIMIT ?",
    id,
    limitRows,
  );
  const standing = db.list<{ id: string }>(
    "SELECT id FROM runs INDEXED BY runs_at_gates WHERE gate = ? ORDER BY priority DESC, seq LIMIT ?",
    id,
    limitRows,
  );
  const idsOf = (rows: readonly { id: string }[]) => rows.map((row) => row.id);
  return { id, slots: limit.slots, holders: idsOf(holders), standing: idsOf(standing) };
}

class SlotRows implements Gates {
  readonly #db: Connection;

  constructor(db: Connection) {
    this.#db = db;
  }

  resize({ id, slots }: LimitSize, declared: boolean): void {
    const before = this.#db.find<{ slots: number }>("SELECT slots FROM limits WHERE id = ?", id)?.slots ?? 0;
    this.#db.run(
      `INSERT INTO limits (id, slots, declared) VALUES (?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET slots = excluded.slots, declared = excluded.declared`,
      id,
      slots,
      Number(declared),
    );
    for (let place = before + 1; place <= slots; place++) {
      this.#db.run("INSERT INTO slots (limit_id, place) VALUES (?, ?) ON CONFLICT DO NOTHING", id, place);
    }
    while (this.#fillGap(id, slots));
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
    if (this.#db.find("SELECT 1 FROM limits WHERE id = ?", limit.id) === undefined) this.resize(limit, false);
  }

  renew(limit: Limit): void {
    const known = this.#db.find<{ slots: number; declared: number }>(
      "SELECT slots, declared FROM limits WHERE id = ?",
      limit.id,
    );
    const isItsOwn = known !== undefined && known.declared === 0 && known.slots !== withdrawnSlots;
    if (known === undefined || (isItsOwn && known.slots !== limit.slots)) this.resize(limit, false);
  }

  free(limitId: string, runId: string): void {
    this.#db.run("UPDATE slots SET run_id = NULL WHERE limit_id = ? AND run_id = ?", limitId, runId);
    this.#fillGap(
      limitId,
      this.#db.find<{ slots: number }>("SELECT slots FROM limits WHERE id = ?", limitId)?.slots ?? 0,
    );
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
    const rest = "INDEXED BY runs_at_gates WHERE gate = ? ORDER BY priority DESC, seq LIMIT 1";
    const [found] = selectLeanRuns(this.#db, rest, limitId);
    return found === undefined ? undefined : { run: found.run, place: found.seq };
  }

  move(runId: string, gate: string | null): void {
    this.#db.run("UPDATE runs SET gate = ? WHERE id = ?", gate, runId);
  }
}
