import { type Json, type LogLine, limits } from "@holdfast/protocol";
import { admitText } from "../admission.ts";
import { fittingRows } from "../page-bytes.ts";
import type { LogResult } from "../store.ts";
import { placeOf } from "./cursor.ts";
import type { Turn } from "./turn.ts";

/** Lines of a run's last activation, also after its end: what it said last arrives late. */
export function appendLogs({ db, now }: Turn, { rows }: { rows: readonly LogLine[] }): LogResult[] {
  admitText(rows);
  return rows.map(({ runId, epoch, seq, at, stream, level, text, fields }): LogResult => {
    const run = db.find<{ epoch: number }>("SELECT epoch FROM runs WHERE id = ?", runId);
    if (run?.epoch !== epoch) return { outcome: "stale_epoch" };
    db.run(
      `INSERT INTO logs (run_id, epoch, line, at, written_at, stream, level, text, fields)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run_id, epoch, line) DO NOTHING`,
      runId,
      epoch,
      seq,
      at,
      now,
      stream,
      level,
      text,
      fields === undefined ? null : JSON.stringify(fields),
    );
    return { outcome: "kept" };
  });
}

interface StoredLine extends Omit<LogLine, "fields"> {
  readonly id: number;
  readonly fields: string | null;
}

export function listLogs(
  { db }: Turn,
  { runId, cursor, limitRows }: { runId: string; cursor?: string; limitRows: number },
): { lines: LogLine[]; cursor: string | null } {
  const among = "FROM logs INDEXED BY logs_run WHERE run_id = ? AND id > ? ORDER BY id LIMIT ?";
  const after = placeOf(cursor) ?? 0;
  const sizes = db.list<{ bytes: number }>(
    `SELECT octet_length(text) + ifnull(octet_length(fields), 0) AS bytes ${among}`,
    runId,
    after,
    limitRows,
  );
  const fit = fittingRows(sizes, ({ bytes }) => bytes, limits.logPageBytes);
  const rows = db.list<StoredLine>(
    `SELECT id, run_id AS runId, epoch, line AS seq, at, stream, level, text, fields ${among}`,
    runId,
    after,
    fit,
  );
  const lines = rows.map(({ id: _id, fields, ...line }) =>
    fields === null ? line : { ...line, fields: JSON.parse(fields) as Json },
  );
  const last = rows.at(-1);
  return { lines, cursor: last === undefined ? (cursor ?? null) : String(last.id) };
}
