import { leastDueMs } from "../../core/index.ts";
import type { Runner } from "./session.ts";

// Rates: what starts hold, and until when. A claim says so in its own statement (claim.ts); here it ends.

/** Frees what starts held that are over, at most `limitRows`, and hands it on. */
export function endStarts(
  db: Runner,
  limitRows: number,
): Promise<{ admitted: number; more: boolean; freed: number }[]> {
  return db.run("endStarts", "select e.admitted, e.more, e.freed from holdfast.end_starts($1) e", [limitRows]);
}

/** How long until the next start is over: none where nothing is held by one. */
export function findNextStartEnd(db: Runner): Promise<{ in_ms: number }[]> {
  return db.run("findNextStartEnd", nextText, [leastDueMs]);
}

const nextText = `
  select greatest($1, s.free_at - holdfast.clock_ms()) as in_ms from holdfast.slots s
  where s.free_at is not null order by s.free_at limit 1`;
