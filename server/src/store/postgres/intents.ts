import { AppError, type Json, type RunError } from "@holdfast/protocol";
import type { IntentRow } from "../intents.ts";
import { numberArray } from "./arrays.ts";
import type { Runner } from "./session.ts";

// The table `holdfast.intents`, which users' transactions fill (migrations, 0003). What becomes of intents: redeeming.ts.

/** Inputs of one page together; the first is answered whatever it has. */
const pageBytes = 8 * 1024 * 1024;

interface StoredIntent {
  readonly id: number;
  readonly kind: "enqueue" | "cancel" | "signal";
  readonly namespace: string;
  readonly run_id: string | null;
  readonly definition: string | null;
  readonly key: string | null;
  readonly input: string | null;
  readonly signal: string | null;
  readonly priority: number | null;
  readonly start_after: number | null;
  readonly expires_after: number | null;
  readonly key_retention: number | null;
  readonly reason: string | null;
  readonly traceparent: string | null;
  readonly made_at: number;
  readonly error: string | null;
  readonly judged_by: string | null;
  readonly rejected_at: number | null;
}

const columns = `i.id, i.kind, i.namespace, i.run_id, i.definition, i.key, i.input, i.signal, i.priority, i.start_after,
  i.expires_after, i.key_retention, i.reason, i.traceparent, i.made_at, i.error, i.judged_by, i.rejected_at`;

/** See `IntentStore.listIntents`. */
export async function listIntents(
  db: Runner,
  args: { namespace: string; state: "open" | "rejected"; after?: number; limitRows: number },
): Promise<IntentRow[]> {
  const { namespace, state, after = 0, limitRows } = args;
  const name = state === "open" ? "listOpenIntents" : "listRejectedIntents";
  const parameters = [namespace, after, limitRows, pageBytes];
  const rows = await db.run<StoredIntent>(name, state === "open" ? openText : rejectedText, parameters);
  return rows.map(toIntent);
}

const listText = (which: string) => `
  select ${columns} from (
    select p.*, sum(p.bytes) over (order by p.id) - p.bytes as before from (
      select i.* from holdfast.intents i where i.namespace = $1 and i.id > $2 and ${which} order by i.id limit $3
    ) p
  ) i where i.before < $4 order by i.id`;
const openText = listText("i.error is null");
const rejectedText = listText("i.error is not null");

/** See `IntentStore.findIntent`: of several with one key the one that is not rejected. */
export async function findIntent(
  db: Runner,
  { namespace, runId }: { namespace: string; runId: string },
): Promise<IntentRow | undefined> {
  return (await db.run<StoredIntent>("findIntent", findText, [namespace, runId])).map(toIntent)[0];
}

const findText = `
  select ${columns} from holdfast.intents i where i.run_id = $2 and i.namespace = $1 and i.kind = 'enqueue'
  order by i.error is not null, i.id limit 1`;

/** See `IntentStore.findKeptId`. */
export async function findKeptId(
  db: Runner,
  { namespace, runId }: { namespace: string; runId: string },
): Promise<string | undefined> {
  return (await db.run<{ run_id: string }>("findKeptId", keptText, [namespace, runId]))[0]?.run_id;
}

const keptText = `
  select n.run_id from holdfast.names n
  where n.namespace = $1 and n.kind = 'promise' and n.definition = '' and n.name = $2`;

/** See `IntentStore.reopenJudged`. A definition's rejected intents lie in the order of who judged them: its own are passed over. */
export async function reopenJudged(
  db: Runner,
  { namespace, limitRows }: { namespace: string; limitRows: number },
): Promise<{ reopened: number; none: boolean }> {
  const [row] = await db.run<{ reopened: number; any_rejected: boolean }>("reopenJudged", judgedText, [
    namespace,
    limitRows,
  ]);
  return { reopened: row?.reopened ?? 0, none: row?.any_rejected !== true };
}

const judgedText = `
  with standing as materialized (
    select exists (select 1 from holdfast.intents i where i.namespace = $1 and i.error is not null) as rejected
  ),
  due as materialized (
    select o.id from standing s cross join holdfast.definitions d cross join lateral (
      (select i.id from holdfast.intents i where i.namespace = d.namespace and i.definition = d.id
        and i.judged_by < d.manifest_hash and i.error is not null limit $2)
      union all
      (select i.id from holdfast.intents i where i.namespace = d.namespace and i.definition = d.id
        and i.judged_by > d.manifest_hash and i.error is not null limit $2)
    ) o
    where s.rejected and d.namespace = $1 limit $2
  ),
  held as materialized (
    select i.id from due join holdfast.intents i on i.id = due.id where i.error is not null for update of i skip locked
  ),
  opened as (
    update holdfast.intents i set error = null, judged_by = null, rejected_at = null from held where i.id = held.id
    returning 1
  )
  select (select count(*) from opened) as reopened, s.rejected as any_rejected from standing s`;

/** See `IntentStore.reopenIntents`. */
export async function reopenIntents(
  db: Runner,
  { namespace, ids }: { namespace: string; ids: readonly number[] | null },
): Promise<{ reopened: number }> {
  const [row] = await db.run<{ reopened: number }>("reopenIntents", reopenText, [
    namespace,
    ids === null ? null : numberArray(ids),
  ]);
  return { reopened: row?.reopened ?? 0 };
}

const reopenText = `
  with opened as (
    update holdfast.intents i set error = null, judged_by = null, rejected_at = null
    where i.namespace = $1 and i.error is not null and ($2::bigint[] is null or i.id = any ($2::bigint[])) returning 1
  )
  select count(*) as reopened from opened`;

/** See `IntentStore.dropIntents`. */
export async function dropIntents(
  db: Runner,
  { namespace, ids }: { namespace: string; ids: readonly number[] },
): Promise<{ dropped: number }> {
  const [row] = await db.run<{ dropped: number }>("dropIntents", dropText, [namespace, numberArray(ids)]);
  return { dropped: row?.dropped ?? 0 };
}

const dropText = `
  with gone as (
    delete from holdfast.intents i where i.namespace = $1 and i.error is not null and i.id = any ($2::bigint[]) returning 1
  )
  select count(*) as dropped from gone`;

/** See `IntentStore.grantIntents`. */
export async function grantIntents(db: Runner, { role }: { role: string }): Promise<void> {
  const known = await db.run("findRole", "select 1 from pg_roles where rolname = $1", [role]);
  if (known.length === 0) {
    throw new AppError("invalid_request", `The PostgreSQL server has no role "${role}".`, {
      hint: `Make it first: CREATE ROLE ${JSON.stringify(role)} LOGIN.`,
    });
  }
  await db.run("grantIntents", "select holdfast.grant_intents($1)", [role]);
}

function toIntent(row: StoredIntent): IntentRow {
  return {
    id: row.id,
    kind: row.kind,
    namespace: row.namespace,
    runId: row.run_id,
    definition: row.definition,
    key: row.key,
    ...(row.input === null ? {} : { input: JSON.parse(row.input) as Json }),
    signal: row.signal,
    priority: row.priority,
    startAfter: row.start_after,
    expiresAfterMs: row.expires_after,
    keyRetentionMs: row.key_retention,
    reason: row.reason,
    traceparent: row.traceparent,
    madeAt: row.made_at,
    rejection:
      row.error === null
        ? null
        : { error: JSON.parse(row.error) as RunError, judgedBy: row.judged_by, at: row.rejected_at ?? row.made_at },
  };
}
