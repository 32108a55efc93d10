import type { Json } from "@holdfast/protocol";
import {
  claimed,
  enqueuedData,
  gateChange,
  isClaimable,
  type LedgerEvent,
  type NewRun,
  type RunRow,
  startingRun,
} from "../../core/index.ts";
import { admitEnqueue } from "../admission.ts";
import type { EnqueueResult, EnqueueRow } from "../store.ts";
import { isMember } from "./claims.ts";
import type { Connection } from "./connection.ts";
import { appendEvents } from "./events.ts";
import { passGates } from "./gates.ts";
import { findKey, insertKey, type KeyScope } from "./keys.ts";
import { anyPause, pausesOf } from "./pauses.ts";
import { insertRun } from "./run-rows.ts";
import type { Turn } from "./turn.ts";

export function enqueueRuns(turn: Turn, { rows }: { rows: readonly EnqueueRow[] }): EnqueueResult[] {
  admitEnqueue(rows);
  const events: LedgerEvent[] = [];
  const results = rows.map((row) => enqueueOne(turn, row, events));
  const gates = results.flatMap((result) => {
    return result.outcome === "created" ? (gateChange(undefined, result.run) ?? []) : [];
  });
  appendEvents(turn.db, events);
  if (passGates(turn.db, gates, turn.now) > 0) turn.ring("ready");
  if (events.length > 0) turn.ring("events");
  return results;
}

function enqueueOne(turn: Turn, row: EnqueueRow, events: LedgerEvent[]): EnqueueResult {
  const { db, now } = turn;
  const { run, key, request, claimFor } = row;
  const repeated = findRepeated(turn, row);
  if (repeated !== undefined) return repeated;
  if (row.onlyIfCurrent === true && isOutdated(db, run)) return { outcome: "outdated" };
  const enqueued = startingRun(run, now);
  const claim = claimAtOnce(turn, enqueued, claimFor);
  const inserted = claim?.row ?? enqueued;
  if (!insertRun(db, inserted)) return { outcome: "existing", runId: run.id };
  events.push({ run: enqueued, number: 1, type: "run.enqueued", at: now, data: enqueuedData(enqueued) });
  if (claim !== undefined) {
    events.push({ run: claim.row, number: claim.row.lastEvent, type: "run.started", at: now, data: claim.data });
  }
  if (key !== null) insertKey(db, { ...runKey(row), uniqueness: key, runId: run.id, now });
  if (request !== null) insertKey(db, { ...requestKey(row), uniqueness: request, runId: run.id, now });
  if (isClaimable(inserted)) turn.ring("ready");
  return { outcome: "created", run: inserted };
}

/** Not of a run that is there: it was current when it came. */
function isOutdated(db: Connection, { namespace, definition, manifestHash, id }: NewRun): boolean {
  const found = db.find(
    `SELECT 1 FROM definitions WHERE namespace = ? AND id = ? AND manifest_hash = ?
     UNION ALL SELECT 1 FROM runs WHERE id = ?`,
    namespace,
    definition,
    manifestHash,
    id,
  );
  return found === undefined;
}

function claimAtOnce({ db, now }: Turn, run: RunRow, memberId: string | null): { row: RunRow; data: Json } | undefined {
  if (memberId === null || !isClaimable(run) || !isMember(db, memberId)) return undefined;
  return anyPause(db) && pausesOf(db, run).length > 0 ? undefined : claimed(run, memberId, now);
}

function findRepeated({ db, now }: Turn, row: EnqueueRow): EnqueueResult | undefined {
  const { key, request } = row;
  if (request !== null) {
    const known = findKey(db, { ...requestKey(row), key: request.key });
    if (known !== undefined) {
      return { outcome: known.hash === request.hash ? "existing" : "request_conflict", runId: known.runId };
    }
  }
  if (key !== null) {
    const known = findKey(db, { ...runKey(row), key: key.key });
    if (known !== undefined) {
      const { runId } = known;
      if (known.hash !== key.hash) return { outcome: "key_conflict", runId };
      if (request !== null) insertKey(db, { ...requestKey(row), uniqueness: request, runId, now });
      return { outcome: "existing", runId };
    }
  }
  return undefined;
}

function runKey({ run }: EnqueueRow): KeyScope {
  return { namespace: run.namespace, kind: "run", scope: run.definition };
}

function requestKey({ run }: EnqueueRow): KeyScope {
  return { namespace: run.namespace, kind: "request", scope: "" };
}
