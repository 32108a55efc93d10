import {
  changesOf,
  claimed,
  enqueuedData,
  gateChange,
  isClaimable,
  type LedgerEvent,
  startingRun,
} from "../../core/index.ts";
import type { EnqueueResult, EnqueueRow } from "../store.ts";
import type { Memory } from "./memory.ts";
import { keyName, requestName } from "./names.ts";

/** Inserts roots, each judged by its request, then its key, then its id. */
export function enqueueRuns(memory: Memory, rows: readonly EnqueueRow[]): EnqueueResult[] {
  const now = memory.now();
  const results = rows.map((row) => existing(memory, row) ?? outdated(memory, row) ?? create(memory, row, now));
  const gates = results.flatMap((result) => {
    return result.outcome === "created" ? (gateChange(undefined, result.run) ?? []) : [];
  });
  if (memory.passGates(gates) > 0) memory.bell.ring(["ready"]);
  return results;
}

function outdated(memory: Memory, { run, onlyIfCurrent = false }: EnqueueRow): EnqueueResult | undefined {
  if (!onlyIfCurrent) return undefined;
  const current = memory.definitions.find(run.namespace, run.definition);
  return current?.manifestHash === run.manifestHash ? undefined : { outcome: "outdated" };
}

function existing(memory: Memory, { run, key, request }: EnqueueRow): EnqueueResult | undefined {
  const byRequest = request === null ? undefined : memory.names.find(requestName(run.namespace, request.key));
  if (byRequest !== undefined) {
    const outcome = byRequest.hash === request?.hash ? "existing" : "request_conflict";
    return { outcome, runId: byRequest.runId };
  }
  const byKey = key === null ? undefined : memory.names.find(keyName(run.namespace, run.definition, key.key));
  if (byKey !== undefined) {
    const { runId } = byKey;
    if (byKey.hash !== key?.hash) return { outcome: "key_conflict", runId };
    if (request !== null) memory.names.keep(requestName(run.namespace, request.key), request, { runId }, memory.now());
    return { outcome: "existing", runId };
  }
  return memory.runs.find(run.id) === undefined ? undefined : { outcome: "existing", runId: run.id };
}

function create(memory: Memory, { run, key, request, claimFor }: EnqueueRow, now: number): EnqueueResult {
  const starting = startingRun(run, now);
  const events: LedgerEvent[] = [
    { run: starting, number: 1, type: "run.enqueued", at: now, data: enqueuedData(starting) },
  ];
  let row = starting;
  if (
    claimFor !== null &&
    isClaimable(starting) &&
    memory.isMember(claimFor) &&
    memory.pauses.over([starting]).length === 0
  ) {
    const claim = claimed(starting, claimFor, now);
    row = claim.row;
    events.push({ run: row, number: row.lastEvent, type: "run.started", at: now, data: claim.data });
  }
  memory.apply(changesOf({ inserted: [row], events }));
  if (key !== null) memory.names.keep(keyName(run.namespace, run.definition, key.key), key, { runId: run.id }, now);
  if (request !== null) memory.names.keep(requestName(run.namespace, request.key), request, { runId: run.id }, now);
  return { outcome: "created", run: row };
}
