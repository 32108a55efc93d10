import type { Json, RunError, RunKind, RunStatus, TriggerRule } from "@holdfast/protocol";
import type { Ending, Limit, RestartChange, RunRow, Waiting } from "../../core/index.ts";
import { msArray, numberArray, textArray } from "./arrays.ts";
import type { Runner } from "./session.ts";

// The table `holdfast.runs` and the rows of core, both ways.

/** A row as the driver gives it. */
export interface StoredRun {
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
  readonly input: string | null;
  readonly output: string | null;
  readonly error: string | null;
  readonly blocked_by: number;
  readonly upstream_succeeded: number;
  readonly upstream_failed: number;
  readonly upstream_skipped: number;
  readonly open_children: number;
  readonly children_succeeded: number;
  readonly children_failed: number;
  readonly children_skipped: number;
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
  readonly cleans_up: boolean;
  readonly spreading: boolean;
  readonly last_event: number;
  readonly created_at: number;
  readonly started_at: number | null;
  readonly ended_at: number | null;
}

const columnsBesideValues = `r.id, r.root_id, r.parent_id, r.namespace, r.kind, r.definition, r.workflow, r.manifest_hash,
  r.name, r.item, r.item_index, r.key, r.depth, r.queue, r.priority, r.rank, r.rule, r.status, r.parent_generation, r.generation, r.attempt, r.first_attempt,
  r.epoch, r.losses, r.takeovers, r.error, r.blocked_by, r.upstream_succeeded, r.upstream_failed, r.upstream_skipped,
  r.open_children, r.children_succeeded, r.children_failed, r.children_skipped, r.waiting, r.wake_at, r.limits, r.trace, r.gate,
  r.expires_at, r.expires_from, r.ran_ms, r.claimed_by, r.claimed_at, r.ending, r.cleans_up, r.spreading, r.last_event, r.created_at, r.started_at, r.ended_at`;

/** Every column of a row `r` that RunRow has. */
export const runColumns = `${columnsBesideValues}, r.input, r.output`;
/** The same without input and output: they may be large and decide nothing. */
export const slimRunColumns = `${columnsBesideValues}, null::text as input, null::text as output`;

export function toRun(row: StoredRun): RunRow {
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
    upstream: { succeeded: row.upstream_succeeded, failed: row.upstream_failed, skipped: row.upstream_skipped },
    openChildren: row.open_children,
    children: { succeeded: row.children_succeeded, failed: row.children_failed, skipped: row.children_skipped },
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
    cleansUp: row.cleans_up,
    spreading: row.spreading,
    lastEvent: row.last_event,
    createdAt: row.created_at,
    startedAt: row.started_at,
    endedAt: row.ended_at,
  };
}

const noLimits: readonly Limit[] = [];

/** The column of a run's limits. */
export function limitsText(limits: readonly Limit[]): string | null {
  return limits.length === 0 ? null : JSON.stringify(limits);
}

/** A JSON column's value; SQL's null is the absence of a value, JSON's null is the text `null`. */
export function jsonOf(text: string | null): Json | undefined {
  return text === null ? undefined : (JSON.parse(text) as Json);
}

/** The text of a JSON value for a column; undefined is absent. */
export function jsonText(value: unknown): string | null {
  return value === undefined || value === null ? null : JSON.stringify(value);
}

/** As {@link jsonText}, where null is a value. */
export function valueText(value: Json | undefined): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

/** Inserts children, just as they are given, in this order. */
export function insertRuns(db: Runner, rows: readonly RunRow[]): Promise<unknown> {
  const text = (of: (run: RunRow) => string | null) => textArray(rows.map(of));
  const number = (of: (run: RunRow) => number | null) => numberArray(rows.map(of));
  const ms = (of: (run: RunRow) => number | null) => msArray(rows.map(of));
  const parameters = [
    text((run) => run.id),
    text((run) => run.rootId),
    text((run) => run.parentId),
    text((run) => run.namespace),
    text((run) => run.kind),
    text((run) => run.definition),
    text((run) => run.workflow),
    text((run) => run.manifestHash),
    text((run) => run.name),
    text((run) => run.item),
    number((run) => run.itemIndex),
    text((run) => run.key),
    number((run) => run.depth),
    text((run) => run.queue),
    number((run) => run.priority),
    text((run) => run.rule),
    text((run) => run.status),
    text((run) => valueText(run.input)),
    number((run) => run.blockedBy),
    ms((run) => run.wakeAt),
    ms((run) => run.expiresAt),
    number((run) => run.lastEvent),
    ms((run) => run.createdAt),
    text((run) => limitsText(run.limits)),
    text((run) => run.gate),
    text((run) => run.trace),
    number((run) => run.parentGeneration),
    ms((run) => run.rank),
    number((run) => (run.cleansUp ? 1 : 0)),
  ];
  return db.run("insertRuns", insertText, parameters);
}

const insertText = `
  insert into holdfast.runs (id, root_id, parent_id, namespace, kind, definition, workflow, manifest_hash, name, item,
    item_index, key, depth, queue, priority, rule, status, input, blocked_by, wake_at, expires_at, last_event, created_at,
    limits, gate, trace, parent_generation, rank, cleans_up, generation, attempt, epoch, losses, takeovers, upstream_succeeded, upstream_failed, upstream_skipped, open_children,
    children_succeeded, children_failed, children_skipped, ran_ms)
  select n.id, n.root_id, n.parent_id, n.namespace, n.kind, n.definition, n.workflow, n.manifest_hash, n.name, n.item,
    n.item_index, n.key, n.depth, n.queue, n.priority, n.rule, n.status, n.input, n.blocked_by, n.wake_at, n.expires_at,
    n.last_event, n.created_at, n.limits, n.gate, n.trace, n.parent_generation, n.rank, n.cleans_up = 1,
    1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::int[], $12::text[], $13::int[], $14::text[], $15::int[], $16::text[], $17::text[], $18::text[],
    $19::int[], $20::bigint[], $21::bigint[], $22::int[], $23::bigint[], $24::text[], $25::text[],
    $26::text[], $27::int[], $28::bigint[], $29::int[])
    n(id, root_id, parent_id, namespace, kind, definition, workflow, manifest_hash, name, item, item_index, key, depth, queue,
      priority, rule, status, input, blocked_by, wake_at, expires_at, last_event, created_at, limits, gate, trace,
      parent_generation, rank, cleans_up)`;

/**
 * Writes what a ledger can change, into rows that are locked. An input or output is written once; rows were read without
 * them, so that absent means unchanged.
 */
export function updateRuns(db: Runner, rows: readonly RunRow[]): Promise<unknown> {
  const text = (of: (run: RunRow) => string | null) => textArray(rows.map(of));
  const number = (of: (run: RunRow) => number | null) => numberArray(rows.map(of));
  const ms = (of: (run: RunRow) => number | null) => msArray(rows.map(of));
  const parameters = [
    text((run) => run.id),
    text((run) => run.status),
    number((run) => run.attempt),
    number((run) => run.epoch),
    number((run) => run.losses),
    number((run) => run.takeovers),
    text((run) => valueText(run.input)),
    text((run) => valueText(run.output)),
    text((run) => jsonText(run.error)),
    number((run) => run.blockedBy),
    number((run) => run.upstream.succeeded),
    number((run) => run.upstream.failed),
    number((run) => run.upstream.skipped),
    number((run) => run.openChildren),
    number((run) => run.children.succeeded),
    number((run) => run.children.failed),
    number((run) => run.children.skipped),
    ms((run) => run.wakeAt),
    number((run) => run.ranMs),
    text((run) => run.claimedBy),
    ms((run) => run.claimedAt),
    text((run) => jsonText(run.ending)),
    number((run) => run.lastEvent),
    ms((run) => run.endedAt),
    number((run) => (run.spreading ? 1 : 0)),
    text((run) => run.gate),
    text((run) => jsonText(run.waiting)),
  ];
  return db.run("updateRuns", updateText, parameters);
}

// No word about the row's status here: it would invite the planner to walk a partial index instead of the primary key.
const updateText = `
  update holdfast.runs r set
    status = n.status, attempt = n.attempt, epoch = n.epoch, losses = n.losses, takeovers = n.takeovers,
    input = coalesce(n.input, r.input), output = coalesce(n.output, r.output), error = n.error,
    blocked_by = n.blocked_by, upstream_succeeded = n.upstream_succeeded, upstream_failed = n.upstream_failed,
    upstream_skipped = n.upstream_skipped, open_children = n.open_children, children_succeeded = n.children_succeeded,
    children_failed = n.children_failed, children_skipped = n.children_skipped, wake_at = n.wake_at, ran_ms = n.ran_ms,
    claimed_by = n.claimed_by, claimed_at = n.claimed_at, ending = n.ending, last_event = n.last_event,
    ended_at = n.ended_at, spreading = n.spreading = 1, gate = n.gate, waiting = n.waiting
  from unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::int[], $6::int[], $7::text[], $8::text[], $9::text[],
    $10::int[], $11::int[], $12::int[], $13::int[], $14::int[], $15::int[], $16::int[], $17::int[], $18::bigint[],
    $19::float8[], $20::text[], $21::bigint[], $22::text[], $23::int[], $24::bigint[], $25::int[], $26::text[], $27::text[])
    n(id, status, attempt, epoch, losses, takeovers, input, output, error, blocked_by, upstream_succeeded, upstream_failed,
      upstream_skipped, open_children, children_succeeded, children_failed, children_skipped, wake_at, ran_ms, claimed_by,
      claimed_at, ending, last_event, ended_at, spreading, gate, waiting)
  where r.id = n.id`;

/** Writes the limits to which runs are subject from now on, and that they have not started. */
export function writeLimits(db: Runner, rows: readonly RunRow[]): Promise<unknown> {
  return db.run("writeLimits", writeLimitsText, [
    textArray(rows.map(({ id }) => id)),
    textArray(rows.map(({ limits }) => limitsText(limits))),
    msArray(rows.map(({ startedAt }) => startedAt)),
  ]);
}

const writeLimitsText = `
  update holdfast.runs r set limits = n.limits, started_at = n.started_at
  from unnest($1::text[], $2::text[], $3::bigint[]) n(id, limits, started_at) where r.id = n.id`;

/** Writes what only a restart changes, before what is written of any change. Steps of a new generation are counted from none. */
export function writeRestarts(db: Runner, changes: readonly RestartChange[]): Promise<unknown> {
  const ms = (of: (run: RunRow) => number | null) => msArray(changes.map(({ run }) => of(run)));
  return db.run("writeRestarts", restartText, [
    textArray(changes.map(({ run }) => run.id)),
    numberArray(changes.map(({ run }) => run.generation)),
    ms((run) => run.startedAt),
    ms((run) => run.expiresAt),
    ms((run) => run.expiresFrom),
    numberArray(changes.map(({ run }) => run.firstAttempt)),
    numberArray(changes.map(({ forgetsInput }) => (forgetsInput ? 1 : 0))),
  ]);
}

const restartText = `
  update holdfast.runs r set generation = n.generation, started_at = n.started_at, expires_at = n.expires_at,
    expires_from = n.expires_from, first_attempt = n.first_attempt, output = null, input = case when n.forgets_input = 1 then null else r.input end,
    step_count = case when r.generation = n.generation then r.step_count else 0 end,
    step_bytes = case when r.generation = n.generation then r.step_bytes else 0 end
  from unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::int[], $7::int[])
    n(id, generation, started_at, expires_at, expires_from, first_attempt, forgets_input)
  where r.id = n.id`;
