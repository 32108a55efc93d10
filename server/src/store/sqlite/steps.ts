import { type Json, limits, type RunStatus, type StepRecord } from "@holdfast/protocol";
import { mayBeActive } from "../../core/index.ts";
import { admitSteps, jsonBytes } from "../admission.ts";
import type { StepResult, StepRow } from "../store.ts";
import type { Connection } from "./connection.ts";
import type { Turn } from "./turn.ts";

// Step records (P12) lie in the table that later holds state too: scope 'step', owned by the run and its generation.

interface Writer {
  readonly epoch: number;
  readonly generation: number;
  readonly status: RunStatus;
  readonly claimedBy: string | null;
  readonly stepCount: number;
  readonly stepBytes: number;
}

export function commitSteps(turn: Turn, { rows }: { rows: readonly StepRow[] }): StepResult[] {
  admitSteps(rows);
  return rows.map((row) => commitOne(turn, row));
}

function commitOne({ db, now }: Turn, row: StepRow): StepResult {
  const { runId, epoch, generation, key } = row;
  const writer = db.find<Writer>(
    `SELECT epoch, generation, status, claimed_by AS claimedBy, step_count AS stepCount,
       step_bytes AS stepBytes FROM runs WHERE id = ?`,
    runId,
  );
  if (writer === undefined || writer.epoch !== epoch || writer.generation !== generation) {
    return { outcome: "stale_epoch" };
  }
  if (writer.claimedBy === null || !mayBeActive(writer.status)) return { outcome: "stale_epoch" };
  const known = findRecord(db, row);
  if (known !== undefined) return { outcome: "existing", value: known };
  const bytes = jsonBytes(row.value);
  if (writer.stepCount >= limits.stepsPerRun) return { outcome: "limit_exceeded", limit: "stepsPerRun" };
  if (writer.stepBytes + bytes > limits.stepBytesPerRun) return { outcome: "limit_exceeded", limit: "stepBytesPerRun" };
  insertRecord(db, { runId, generation, key, epoch }, JSON.stringify(row.value), now);
  db.run(
    "UPDATE runs SET losses = 0, takeovers = 0, step_count = step_count + 1, step_bytes = step_bytes + ? WHERE id = ?",
    bytes,
    runId,
  );
  return { outcome: "recorded" };
}

export function listSteps({ db }: Turn, { runId, generation }: { runId: string; generation: number }): StepRecord[] {
  const rows = db.list<{ key: string; value: string }>(
    `SELECT key, value FROM "values" WHERE scope_kind = 'step' AND scope_id = ? AND generation = ? ORDER BY seq`,
    runId,
    generation,
  );
  return rows.map(({ key, value }) => ({ key, value: JSON.parse(value) as Json }));
}

/** What is recorded under a key. */
export function findRecord(
  db: Connection,
  { runId, generation, key }: Pick<StepRow, "runId" | "generation" | "key">,
): Json | undefined {
  const known = db.find<{ value: string }>(
    `SELECT value FROM "values" WHERE scope_kind = 'step' AND scope_id = ? AND generation = ? AND key = ?`,
    runId,
    generation,
    key,
  );
  return known === undefined ? undefined : (JSON.parse(known.value) as Json);
}

/** Writes the record of a step, which is not there. `text`: its value as JSON. */
export function insertRecord(
  db: Connection,
  { runId, generation, key, epoch }: Pick<StepRow, "runId" | "generation" | "key" | "epoch">,
  text: string,
  now: number,
): void {
  db.run(
    `INSERT INTO "values" (scope_kind, scope_id, generation, key, version, writer_run, writer_epoch, created_at,
       updated_at, value) VALUES ('step', ?, ?, ?, 1, ?, ?, ?, ?, ?)`,
    runId,
    generation,
    key,
    runId,
    epoch,
    now,
    now,
    text,
  );
}
