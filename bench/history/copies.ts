// How a copy differs from what it copies, said for both dialects: ids and places of its own, and an earlier time. Copies are
// spread evenly over the retention of runs, and lie in the order of their time, as runs do that came one after the other.

const dayMs = 86_400_000;

/** Log lines are kept for a week. */
const logDays = 6;

export const copiesAtATime = 20_000;

/** Tables with rows of runs, in the order of copying. */
export const copiedTables = ["runs", "events", "values", "logs", "edges"] as const;

export const idColumns = new Set([
  "id",
  "root_id",
  "parent_id",
  "run_id",
  "scope_id",
  "writer_run",
  "upstream",
  "downstream",
]);
export const timeColumns = new Set([
  "created_at",
  "started_at",
  "ended_at",
  "updated_at",
  "at",
  "written_at",
  "retained_until",
  "expires_at",
]);

export interface Batch {
  readonly first: number;
  readonly last: number;
  /** The first seven characters of the ids: their time. */
  readonly prefix: string;
  readonly stepMs: number;
}

export interface Copies {
  readonly count: number;
  /** Over how many days they are spread. */
  readonly days: number;
  readonly tell: (text: string) => void;
}

export interface Spread extends Copies {
  /** Over how many days the rows of this table are spread. */
  readonly of: number;
  /** One moment for all tables, since ids are made of it. */
  readonly now: number;
}

/** Over how many days rows of a table are spread. */
export function daysOf(table: string, { days }: Copies): number {
  return table === "logs" ? Math.min(days, logDays) : days;
}

/** Batches of copies, the oldest first. Copy `n` of `count` is `(count - n) * stepMs` older than its pattern. */
export function* batchesOf({ count, days, of, now }: Spread): Generator<Batch> {
  const stepMs = (of * dayMs) / count;
  const idStepMs = (days * dayMs) / count;
  for (let first = 0; first < count; first += copiesAtATime) {
    const last = Math.min(count, first + copiesAtATime) - 1;
    yield { first, last, stepMs, prefix: timePrefix(now - (count - first) * idStepMs) };
  }
}

/**
 * Tells copies apart: eight hexadecimal digits that scatter, as the random part of an id does (an odd factor modulo 2^32
 * meets no number twice). What follows is the run's place in the unit.
 */
export const scatter = "(n * 2654435761) % 4294967296";

/** The place of a run in its unit, as it stands at the end of its copies' ids. */
export function placeText(place: number): string {
  return place.toString(16).padStart(5, "0");
}

/** As core writes a root's second into its id. */
function timePrefix(ms: number): string {
  const digits = "0123456789abcdefghjkmnpqrstvwxyz";
  let seconds = Math.floor(ms / 1_000);
  let text = "";
  for (let i = 0; i < 7; i++) {
    text = (digits[seconds % 32] ?? "0") + text;
    seconds = Math.floor(seconds / 32);
  }
  return text;
}
