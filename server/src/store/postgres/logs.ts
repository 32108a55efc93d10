import { type LogLine, limits } from "@holdfast/protocol";
import type { LogResult } from "../store.ts";
import { numberArray, textArray } from "./arrays.ts";
import { placeOf } from "./cursor.ts";
import { spanMarginMs } from "./partitions.ts";
import { jsonOf, jsonText } from "./run-rows.ts";
import type { Runner } from "./session.ts";

/** Keeps the lines of activations that are their run's last, each once. Answers the places of those lines. */
export function insertLogs(db: Runner, rows: readonly LogLine[]): Promise<{ place: number }[]> {
  return db.run("insertLogs", insertText, [
    textArray(rows.map((row) => row.runId)),
    numberArray(rows.map((row) => row.epoch)),
    numberArray(rows.map((row) => row.seq)),
    numberArray(rows.map((row) => row.at)),
    textArray(rows.map((row) => row.stream)),
    textArray(rows.map((row) => row.level)),
    textArray(rows.map((row) => row.text)),
    textArray(rows.map((row) => jsonText(row.fields))),
  ]);
}

// An activation's lines were written since its claim: older partitions are not opened.
// The lock keeps takeovers out until the lines are committed, and gives the lines of a run their ids in commit order.
const insertText = `
  with given as materialized (
    select * from unnest($1::text[], $2::int[], $3::bigint[], $4::float8[], $5::text[], $6::text[], $7::text[], $8::text[])
      with ordinality n(run_id, epoch, seq, at, stream, level, text, fields, place)
  ),
  held as materialized (
    select g.*, r.epoch = g.epoch as live, coalesce(r.claimed_at, r.created_at) - ${spanMarginMs} as since
    from given g join holdfast.runs r on r.id = g.run_id
    order by r.id for no key update of r
  ),
  kept as materialized (select h.* from held h where h.live),
  fresh as (
    insert into holdfast.logs (run_id, epoch, seq, written_at, at, stream, level, text, fields)
    select k.run_id, k.epoch, k.seq, m.now, k.at, k.stream, k.level, k.text, k.fields
    from kept k cross join (select holdfast.clock_ms() as now from (select count(*) from held) h) m
    where not exists (
      select 1 from holdfast.logs l
      where l.run_id = k.run_id and l.epoch = k.epoch and l.seq = k.seq and l.written_at >= k.since)
    order by k.place
    on conflict do nothing
  )
  select k.place from kept k`;

/** See `Store.appendLogs`. */
export async function appendLogs(db: Runner, rows: readonly LogLine[]): Promise<LogResult[]> {
  if (rows.length === 0) return [];
  const kept = new Set((await insertLogs(db, rows)).map(({ place }) => place));
  return rows.map((_, index) => ({ outcome: kept.has(index + 1) ? "kept" : "stale_epoch" }));
}

interface StoredLine {
  readonly id: number;
  readonly epoch: number;
  readonly seq: number;
  readonly at: number;
  readonly stream: LogLine["stream"];
  readonly level: LogLine["level"];
  readonly text: string;
  readonly fields: string | null;
}

/** See `Store.listLogs`. */
export async function listLogs(
  db: Runner,
  { runId, cursor, limitRows }: { runId: string; cursor?: string; limitRows: number },
): Promise<{ lines: LogLine[]; cursor: string | null }> {
  const after = cursor === undefined ? 0 : placeOf(cursor);
  const rows = await selectLogs(db, { runId, after, limitRows });
  const lines = rows.map(({ epoch, seq, at, stream, level, text, fields }): LogLine => {
    const line = { runId, epoch, seq, at, stream, level, text };
    return fields === null ? line : ({ ...line, fields: jsonOf(fields) } as LogLine);
  });
  const last = rows.at(-1);
  return { lines, cursor: last === undefined ? (cursor ?? null) : String(last.id) };
}

/** A run's lines in the order of writing. */
export function selectLogs(
  db: Runner,
  { runId, after, limitRows }: { runId: string; after: number; limitRows: number },
): Promise<StoredLine[]> {
  return db.run<StoredLine>("listLogs", listText, [runId, after, limitRows]);
}

// Lines of a tree that was pruned, and lines past their retention, wait unseen for their partition to be dropped.
// Lengths are known without the texts: what does not fit the page is not read.
const listText = `
  select t.id, t.epoch, t.seq, t.at, t.stream, t.level, t.text, t.fields from (
    select l.*, sum(octet_length(l.text) + coalesce(octet_length(l.fields), 0))
      over (order by l.id rows between unbounded preceding and 1 preceding) as bytes_before
    from (
      select l.id, l.epoch, l.seq, l.at, l.stream, l.level, l.text, l.fields from holdfast.logs l
      where l.run_id = $1 and l.id > $2
        and l.written_at >= (select greatest(m.log_floor, r.created_at - ${spanMarginMs}) from holdfast.meta m, holdfast.runs r where r.id = $1)
      order by l.id limit $3
    ) l
  ) t
  where coalesce(t.bytes_before, 0) < ${limits.logPageBytes} order by t.id`;
