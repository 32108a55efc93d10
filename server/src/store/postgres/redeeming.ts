import { admitEnqueue, admitText } from "../admission.ts";
import type { IntentResult, IntentVerdict } from "../intents.ts";
import type { EnqueueResult, EnqueueRow, RingTopic } from "../store.ts";
import { admitSignal } from "../wait-admission.ts";
import { numberArray, textArray } from "./arrays.ts";
import { judgeAndInsert, topicsOf } from "./enqueue.ts";
import { deleteIntents, settleAboutRun } from "./intent-targets.ts";
import type { Runner } from "./session.ts";
import type { SessionPool } from "./session-pool.ts";

// What becomes of intents: each is carried out in the transaction that deletes it, so that it makes one run whoever dies
// (P1, P3). Intents that another node holds are passed over: nobody waits for anybody.

type ToRun = Extract<IntentVerdict, { readonly to: "run" }>;
type ToRejected = Extract<IntentVerdict, { readonly to: "rejected" }>;

/** Holds those intents of runs that stand open and that nobody else holds, until the transaction ends. */
export function holdIntents(db: Runner, ids: readonly number[]): Promise<{ id: number; run_id: string | null }[]> {
  return db.run("holdIntents", holdText, [numberArray(ids)]);
}

// A cancel by its key that was made before it is not about it: that is carried out first, unless it waits for a signal that waits for
// the run.
const holdText = `
  select i.id, i.run_id from unnest($1::bigint[]) w(id) join holdfast.intents i on i.id = w.id
  where i.error is null and (i.key is null or not exists (
    select 1 from holdfast.intents c where c.namespace = i.namespace and c.definition = i.definition and c.key = i.key
      and c.id < i.id and c.kind = 'cancel' and c.error is null and not exists (
        select 1 from holdfast.intents s where s.namespace = c.namespace and s.definition = c.definition and s.key = c.key
          and s.id < c.id and s.kind = 'signal' and s.error is null)))
  for update of i skip locked`;

/** Keeps promised ids as other names of runs that had their keys before; they go as the runs' own names do. */
export function keepPromisedIds(
  db: Runner,
  rows: readonly { namespace: string; promised: string; runId: string }[],
): Promise<unknown> {
  return db.run("keepPromisedIds", keepIdsText, [
    textArray(rows.map((row) => row.namespace)),
    textArray(rows.map((row) => row.promised)),
    textArray(rows.map((row) => row.runId)),
  ]);
}

const keepIdsText = `
  insert into holdfast.names (namespace, kind, definition, name, hash, run_id, retained_until, run_gone)
  select p.namespace, 'promise', '', p.promised, '', p.run_id,
    coalesce((select max(k.retained_until) from holdfast.names k where k.run_id = p.run_id), holdfast.clock_ms()),
    not exists (select 1 from holdfast.runs r where r.id = p.run_id)
  from unnest($1::text[], $2::text[], $3::text[]) p(namespace, promised, run_id)
  order by p.namespace collate "C", p.promised collate "C"
  on conflict do nothing`;

/** Marks an intent that stands open and is not held by another node. */
export function markRejected(
  db: Runner,
  { intentId, error, judgedBy, definition = null }: ToRejected,
): Promise<{ run_id: string | null }[]> {
  return db.run("markRejected", rejectText, [intentId, JSON.stringify(error), judgedBy, definition]);
}

const rejectText = `
  with held as materialized (
    select i.id from holdfast.intents i where i.id = $1 and i.error is null for update of i skip locked
  )
  update holdfast.intents i set error = $2, judged_by = $3, definition = coalesce(i.definition, $4::text),
    rejected_at = holdfast.clock_ms()
  from held where i.id = held.id returning i.run_id`;

/** See `IntentStore.settleIntents`. */
export async function settleIntents(
  pool: SessionPool,
  rows: readonly IntentVerdict[],
): Promise<{ results: IntentResult[]; topics: RingTopic[] }> {
  const runs = rows.filter((row) => row.to === "run");
  admitEnqueue(runs.map(({ row }) => row));
  admitText(rows.filter((row) => row.to !== "run"));
  for (const row of rows) if (row.to === "signal") admitSignal({ ...row, runId: "", request: null });
  const byIntent = new Map<number, IntentResult>();
  const topics = new Set<RingTopic>();
  const made = runs.length === 0 ? [] : await settleRuns(pool, runs, byIntent);
  for (const topic of topicsOf(made)) topics.add(topic);
  for (const row of rows) {
    if (row.to === "cancel" || row.to === "signal") {
      const settled = await pool.transaction((transaction) => settleAboutRun(transaction, row));
      byIntent.set(row.intentId, settled.result);
      for (const topic of settled.topics) topics.add(topic);
    } else if (row.to === "rejected") {
      const [marked] = await markRejected(pool, row);
      byIntent.set(
        row.intentId,
        marked === undefined ? { outcome: "elsewhere" } : { outcome: "kept", runId: marked.run_id },
      );
    }
  }
  const results = rows.map(({ intentId }): IntentResult => byIntent.get(intentId) ?? { outcome: "elsewhere" });
  return { results, topics: [...topics] };
}

/** Those that are carried out together: what becomes of each, by its intent. Answers what was inserted. */
async function settleRuns(
  pool: SessionPool,
  rows: readonly ToRun[],
  byIntent: Map<number, IntentResult>,
): Promise<EnqueueResult[]> {
  const { held, results } = await pool.transaction(async (transaction) => {
    const mine = new Set(
      (
        await holdIntents(
          transaction,
          rows.map(({ intentId }) => intentId),
        )
      ).map(({ id }) => id),
    );
    const held = rows.filter(({ intentId }) => mine.has(intentId));
    if (held.length === 0) return { held, results: async () => [] };
    const { verdicts, results } = await judgeAndInsert(
      transaction,
      held.map(({ row }) => row),
    );
    const settled = held.filter((_, index) => isSettled(verdicts[index]));
    const others = held.flatMap(({ row }, index) => promisedElsewhere(row, verdicts[index]));
    if (others.length > 0) keepPromisedIds(transaction, others).catch(() => undefined);
    if (settled.length > 0) {
      deleteIntents(
        transaction,
        settled.map(({ intentId }) => intentId),
      ).catch(() => undefined);
    }
    return { held, results };
  });
  const inserted = await results();
  for (const [index, { intentId }] of held.entries()) {
    const result = inserted[index];
    if (result !== undefined) byIntent.set(intentId, intentResult(result));
  }
  return inserted;
}

/** A row without a verdict is inserted; one whose run is there has nothing left to do. */
function isSettled(verdict: { readonly outcome: string } | undefined): boolean {
  return verdict === undefined || verdict.outcome === "existing";
}

function promisedElsewhere(
  { run }: EnqueueRow,
  verdict: { readonly outcome: string; readonly runId?: string } | undefined,
) {
  if (verdict?.outcome !== "existing" || verdict.runId === undefined || verdict.runId === run.id) return [];
  return [{ namespace: run.namespace, promised: run.id, runId: verdict.runId }];
}

function intentResult(result: EnqueueResult): IntentResult {
  switch (result.outcome) {
    case "created":
      return { outcome: "kept", runId: result.run.id };
    case "existing":
      return { outcome: "kept", runId: result.runId };
    case "key_conflict":
      return { outcome: "key_conflict", runId: result.runId };
    case "outdated":
      return { outcome: "outdated" };
    case "request_conflict":
      throw new Error("an intent has no Idempotency-Key");
  }
}
