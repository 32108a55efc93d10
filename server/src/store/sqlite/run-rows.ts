import type { Json, RunError, RunKind, RunStatus, TriggerRule } from "@holdfast/protocol";
import type { Ending, Limit, OutcomeCounts, RestartChange, RunRow, Waiting } from "../../core/index.ts";
import { type Connection, listText } from "./connection.ts";

// The row of a run: reading it, inserting it, and writing back what can change.

/** A run as SQLite answers it; the columns are explained in 0001_spine.sql. */
interface Stored {
  readonly seq: number;
  readonly id: string;
  readonly root_id: string;
  readonly parent_id: string | null;
  readonly namespace: string;
  readonly kind: RunKind;
  readonly definition: string;
  readonly workflow: string | null;
  readonly manifest_hash: string;
  readonly name: string;
  readonly item: string | null;
  readonly item_index: number | null;
  readonly key: string | null;
  readonly depth: number;
  readonly queue: string;
  readonly priority: number;
  readonly rank: number;
  readonly rule: TriggerRule;
  readonly status: RunStatus;
  readonly parent_generation: number;
  readonly generation: number;
  readonly attempt: number;
  readonly epoch: number;
  readonly losses: number;
  readonly takeovers: number;
  readonly error: string | null;
  readonly blocked_by: number;
  readonly upstream: string | null;
  readonly open_children: number;
  readonly children: string | null;
  readonly waiting: string | null;
  readonly wake_at: number | null;
  readonly limits: string | null;
  readonly trace: string | null;
  readonly gate: string | null;
  readonly expires_at: number | null;
  readonly expires_from: number | null;
  readonly first_attempt: number;
  readonly ran_ms: number;
  readonly claimed_by: string | null;
  readonly claimed_at: number | null;
  readonly ending: string | null;
  readonly cleans_up: number;
  readonly spreading: number;
  readonly last_event: number;
  readonly created_at: number;
  readonly started_at: number | null;
  readonly ended_at: number | null;
  readonly input?: string | null;
  readonly output?: string | null;
}

/** A run and its place in the order of creation. */
export interface PlacedRun {
  readonly seq: number;
  readonly run: RunRow;
}

const leanColumns = `seq, id, root_id, parent_id, namespace, kind, definition, workflow, manifest_hash, name, item,
  item_index, key, depth, queue, priority, rank, rule, status, parent_generation, generation, attempt, first_attempt, epoch, losses, takeovers, error, blocked_by, upstream,
  open_children, children, waiting, wake_at, limits, trace, gate, expires_at, expires_from, ran_ms, claimed_by, claimed_at, ending, cleans_up, spreading,
  last_event, created_at, started_at, ended_at`;
const fullColumns = `${leanColumns}, input, output`;

const noLimits: readonly Limit[] = [];
const none: OutcomeCounts = { succeeded: 0, failed: 0, skipped: 0 };

/** Runs picked by `rest` (what follows FROM runs), with input and output. */
export function selectRuns(db: Connection, rest: string, ...values: (string | number | null)[]): PlacedRun[] {
  return db.list<Stored>(`SELECT ${fullColumns} FROM runs ${rest}`, ...values).map(placed);
}

/** The same without input and output: what a ledger needs. */
export function selectLeanRuns(db: Connection, rest: string, ...values: (string | number | null)[]): PlacedRun[] {
  return db.list<Stored>(`SELECT ${leanColumns} FROM runs ${rest}`, ...values).map(placed);
}

/** Rows without input and output, in no order; ids that nobody has are left out. */
export function loadRuns(db: Connection, ids: readonly string[]): RunRow[] {
  if (ids.length === 0) return [];
  const rows = selectLeanRuns(db, "WHERE id IN (SELECT value FROM json_each(?))", listText(ids));
  return rows.map((row) => row.run);
}

export function findRun(db: Connection, id: string): RunRow | undefined {
  return selectRuns(db, "WHERE id = ?", id)[0]?.run;
}

function placed(row: Stored): PlacedRun {
  return { seq: row.seq, run: runOf(row) };
}

function runOf(row: Stored): RunRow {
  return {
    id: row.id,
    rootId: row.root_id,
    parentId: row.parent_id,
    namespace: row.namespace,
    kind: row.kind,
    definition: row.definition,
    workflow: row.workflow,
    manifestHash: row.manifest_hash,
    name: row.name,
    item: row.item,
    itemIndex: row.item_index,
    key: row.key,
    trace: row.trace,
    depth: row.depth,
    queue: row.queue,
    priority: row.priority,
    rank: row.rank,
    rule: row.rule,
    status: row.status,
    parentGeneration: row.parent_generation,
    generation: row.generation,
    attempt: row.attempt,
    firstAttempt: row.first_attempt,
    epoch: row.epoch,
    losses: row.losses,
    takeovers: row.takeovers,
    input: jsonOf(row.input),
    output: jsonOf(row.output),
    error: row.error === null ? null : (JSON.parse(row.error) as RunError),
    blockedBy: row.blocked_by,
    upstream: countsOf(row.upstream),
    openChildren: row.open_children,
    children: countsOf(row.children),
    waiting: row.waiting === null ? null : (JSON.parse(row.waiting) as Waiting),
    wakeAt: row.wake_at,
    limits: row.limits === null ? noLimits : (JSON.parse(row.limits) as Limit[]),
    gate: row.gate,
    expiresAt: row.expires_at,
    expiresFrom: row.expires_from,
    ranMs: row.ran_ms,
    claimedBy: row.claimed_by,
    claimedAt: row.claimed_at,
    ending: row.ending === null ? null : (JSON.parse(row.ending) as Ending),
    cleansUp: row.cleans_up === 1,
    spreading: row.spreading === 1,
    lastEvent: row.last_event,
    createdAt: row.created_at,
    startedAt: row.started_at,
    endedAt: row.ended_at,
  };
}

/** Inserts a new run. False, and nothing is changed, when its id is taken. */
export function insertRun(db: Connection, run: RunRow): boolean {
  const { changes } = db.run(
    `INSERT INTO runs (id, root_id, parent_id, namespace, kind, definition, workflow, manifest_hash, name, item,
       item_index, key, depth, queue, priority, rank, rule, status, parent_generation, generation, attempt, epoch, losses, takeovers, error, blocked_by, upstream,
       open_children, children, wake_at, limits, trace, gate, expires_at, ran_ms, claimed_by, claimed_at, ending, cleans_up, last_event,
       created_at, started_at, ended_at, input, output)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO NOTHING`,
    run.id,
    run.rootId,
    run.parentId,
    run.namespace,
    run.kind,
    run.definition,
    run.workflow,
    run.manifestHash,
    run.name,
    run.item,
    run.itemIndex,
    run.key,
    run.depth,
    run.queue,
    run.priority,
    run.rank,
    run.rule,
    run.status,
    run.parentGeneration,
    run.generation,
    run.attempt,
    run.epoch,
    run.losses,
    run.takeovers,
    nullOrText(run.error),
    run.blockedBy,
    countsText(run.upstream),
    run.openChildren,
    countsText(run.children),
    run.wakeAt,
    limitsText(run.limits),
    run.trace,
    run.gate,
    run.expiresAt,
    run.ranMs,
    run.claimedBy,
    run.claimedAt,
    nullOrText(run.ending),
    run.cleansUp ? 1 : 0,
    run.lastEvent,
    run.createdAt,
    run.startedAt,
    run.endedAt,
    jsonText(run.input),
    jsonText(run.output),
  );
  return changes > 0;
}

/** Writes back what a ledger can change. Input and output stay as they are where the row, read without them, brings none. */
export function updateRun(db: Connection, run: RunRow): void {
  db.run(
    `UPDATE runs SET status = ?, generation = ?, attempt = ?, epoch = ?, losses = ?, takeovers = ?, error = ?,
       blocked_by = ?, upstream = ?, open_children = ?, children = ?, waiting = ?, wake_at = ?, limits = ?, gate = ?, ran_ms = ?, claimed_by = ?,
       claimed_at = ?, ending = ?, spreading = ?, last_event = ?, started_at = ?, ended_at = ?,
       input = coalesce(?, input), output = coalesce(?, output)
     WHERE id = ?`,
    run.status,
    run.generation,
    run.attempt,
    run.epoch,
    run.losses,
    run.takeovers,
    nullOrText(run.error),
    run.blockedBy,
    countsText(run.upstream),
    run.openChildren,
    countsText(run.children),
    nullOrText(run.waiting),
    run.wakeAt,
    limitsText(run.limits),
    run.gate,
    run.ranMs,
    run.claimedBy,
    run.claimedAt,
    nullOrText(run.ending),
    run.spreading ? 1 : 0,
    run.lastEvent,
    run.startedAt,
    run.endedAt,
    jsonText(run.input),
    jsonText(run.output),
    run.id,
  );
}

/** Writes what only a restart changes, before what is written of any change. Steps of the new generation are counted from none. */
export function restartRun(db: Connection, { run, forgetsInput }: RestartChange): void {
  db.run(
    `UPDATE runs SET step_count = CASE WHEN generation = ? THEN step_count ELSE 0 END,
       step_bytes = CASE WHEN generation = ? THEN step_bytes ELSE 0 END,
       expires_at = ?, expires_from = ?, first_attempt = ?, output = NULL, input = CASE WHEN ? THEN NULL ELSE input END
     WHERE id = ?`,
    run.generation,
    run.generation,
    run.expiresAt,
    run.expiresFrom,
    run.firstAttempt,
    forgetsInput ? 1 : 0,
    run.id,
  );
}

/** Writes what a claim changes. */
export function updateClaimed(db: Connection, { seq, run }: PlacedRun): void {
  db.run(
    `UPDATE runs SET status = ?, epoch = ?, claimed_by = ?, claimed_at = ?, started_at = ?, last_event = ? WHERE seq = ?`,
    run.status,
    run.epoch,
    run.claimedBy,
    run.claimedAt,
    run.startedAt,
    run.lastEvent,
    seq,
  );
}

/** A JSON value out of its column; undefined for NULL. */
export function jsonOf(text: string | null | undefined): Json | undefined {
  return text === null || text === undefined ? undefined : (JSON.parse(text) as Json);
}

/** A JSON value for its column. */
export function jsonText(value: Json | undefined): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

function limitsText(limits: readonly Limit[]): string | null {
  return limits.length === 0 ? null : JSON.stringify(limits);
}

function nullOrText(value: RunError | Ending | Waiting | null): string | null {
  return value === null ? null : JSON.stringify(value);
}

function countsOf(text: string | null): OutcomeCounts {
  if (text === null) return none;
  const [succeeded = 0, failed = 0, skipped = 0] = JSON.parse(text) as number[];
  return { succeeded, failed, skipped };
}

function countsText({ succeeded, failed, skipped }: OutcomeCounts): string | null {
  return succeeded + failed + skipped === 0 ? null : `[${succeeded},${failed},${skipped}]`;
}
