import { limits, type RunError } from "@holdfast/protocol";
import type { IntentResult, IntentVerdict } from "../intents.ts";
import type { RingTopic } from "../store.ts";
import { numberArray } from "./arrays.ts";
import { orderEndWithin } from "./endings.ts";
import type { Runner, Transaction } from "./session.ts";
import { signalRunWithin } from "./waits.ts";

// Cancels and signals that were promised: what is about a run that is there, or comes of an intent itself. Those of one run are
// carried out in the order of their insertion: what finds an earlier one that stands open, also in another node's hands, stays behind it.

type AboutRun = Extract<IntentVerdict, { readonly to: "cancel" | "signal" }>;

interface Settled {
  readonly result: IntentResult;
  readonly topics: readonly RingTopic[];
}

interface Target {
  /** The run; null where none is known. */
  readonly run_id: string | null;
  readonly there: boolean;
  /** It was there, and has been pruned. */
  readonly was_there: boolean;
  /** One about it that was made before stands open; of a signal, its own run's whenever that was made. */
  readonly behind: boolean;
  /** Its own intent was rejected: why (as JSON), by which manifest, of which definition. */
  readonly error: string | null;
  readonly judged_by: string | null;
  readonly definition: string | null;
}

/** Deletes intents that are held. */
export function deleteIntents(db: Runner, ids: readonly number[]): Promise<unknown> {
  return db.run("deleteIntents", deleteText, [numberArray(ids)]);
}

const deleteText = `delete from holdfast.intents i using unnest($1::bigint[]) w(id) where i.id = w.id`;

/** Holds an intent that is about a run, and answers what is known of that. */
export function holdTarget(db: Runner, intentId: number): Promise<Target[]> {
  return db.run("holdTarget", holdTargetText, [intentId]);
}

// A run may be known by several promised ids (decision 0011), and by its key: an earlier intent may say another one, or was made
// before its key named a run.
const holdTargetText = `
  with held as materialized (
    select i.id, i.kind, i.namespace, i.definition, i.key,
      coalesce(i.run_id, holdfast.run_of_key(i.namespace, i.definition, i.key)) as named
    from holdfast.intents i where i.id = $1 and i.error is null for update of i skip locked
  ),
  about as materialized (
    select h.*, coalesce((select n.run_id from holdfast.names n where n.namespace = h.namespace
      and n.kind = 'promise' and n.definition = '' and n.name = h.named), h.named) as run_id
    from held h
  ),
  known as materialized (
    select a.named as id from about a union select a.run_id from about a
    union select n.name from about a join holdfast.names n on n.run_id = a.run_id and n.kind = 'promise'
  ),
  keys as materialized (
    select a.namespace, a.definition, a.key from about a where a.key is not null
    union select n.namespace, n.definition, n.name from about a join holdfast.names n on n.run_id = a.run_id and n.kind = 'key'
  )
  select a.run_id,
    exists (select 1 from holdfast.runs r where r.id = a.run_id and r.namespace = a.namespace) as there,
    exists (select 1 from holdfast.names n where n.run_id = a.run_id and n.namespace = a.namespace) as was_there,
    exists (select 1 from known k join holdfast.intents p on p.run_id = k.id where p.namespace = a.namespace
      and p.error is null and (p.id < a.id or a.kind = 'signal' and p.kind = 'enqueue' and p.run_id = a.named))
    or exists (select 1 from keys k join holdfast.intents p on p.namespace = k.namespace and p.definition = k.definition
      and p.key = k.key where p.id < a.id and p.error is null) as behind,
    o.error, o.judged_by, o.definition
  from about a left join lateral (
    select p.error, p.judged_by, p.definition from holdfast.intents p
    where p.run_id = a.named and p.namespace = a.namespace and p.kind = 'enqueue' and p.error is not null
    order by p.id limit 1
  ) o on true`;

/** Takes back what was promised of a run and rejected, its signals too; answers how much. */
export function withdrawRejected(db: Runner, runId: string): Promise<unknown[]> {
  return db.run("withdrawRejected", withdrawText, [runId]);
}

const withdrawText = `
  delete from holdfast.intents i where i.id = any (array(
    select p.id from holdfast.intents p where p.run_id = $1 and p.kind in ('enqueue', 'signal') and p.error is not null
    for update of p skip locked))
  returning i.id`;

/** Carries out a cancel or a signal, with the deletion of its intent. */
export async function settleAboutRun(transaction: Transaction, row: AboutRun): Promise<Settled> {
  const [target] = await holdTarget(transaction, row.intentId);
  if (target === undefined) return { result: { outcome: "elsewhere" }, topics: [] };
  if (target.behind) return { result: { outcome: "later" }, topics: [] };
  const runId = target.run_id;
  if (runId !== null && target.there) {
    return row.to === "cancel" ? settleCancel(transaction, row, runId) : settleSignal(transaction, row, runId);
  }
  if (row.to === "signal") return { result: unsent(target), topics: [] };
  const withdrawn = runId === null ? [] : await withdrawRejected(transaction, runId);
  if (!target.was_there && withdrawn.length === 0) return { result: { outcome: "missing" }, topics: [] };
  await deleteIntents(transaction, [row.intentId]);
  return { result: { outcome: "kept", runId }, topics: [] };
}

async function settleCancel(
  transaction: Transaction,
  { intentId, ending, data }: Extract<AboutRun, { readonly to: "cancel" }>,
  runId: string,
): Promise<Settled> {
  const { topics } = await orderEndWithin(transaction, { runId, ending, data, limitRows: limits.pageRows });
  await deleteIntents(transaction, [intentId]);
  return { result: { outcome: "kept", runId }, topics };
}

async function settleSignal(
  transaction: Transaction,
  { intentId, name, payload }: Extract<AboutRun, { readonly to: "signal" }>,
  runId: string,
): Promise<Settled> {
  const { result, topics } = await signalRunWithin(transaction, { runId, name, payload, request: null });
  switch (result.outcome) {
    case "delivered":
    case "kept":
      await deleteIntents(transaction, [intentId]);
      return { result: { outcome: "kept", runId }, topics };
    case "ended":
      return { result: { outcome: "ended", runId, status: result.status }, topics: [] };
    case "limit_exceeded":
      return { result: { outcome: "limit_exceeded", runId }, topics: [] };
    case "not_found":
      return { result: { outcome: "missing" }, topics: [] };
    case "repeated":
    case "request_conflict":
      throw new Error("an intent has no Idempotency-Key");
  }
}

/** Whoever waits for a run that was promised and rejected is tried again together with it. */
function unsent({ error, judged_by: judgedBy, definition }: Target): IntentResult {
  if (error === null) return { outcome: "missing" };
  return { outcome: "withheld", error: JSON.parse(error) as RunError, judgedBy, definition };
}
