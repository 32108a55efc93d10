import type {
  Ledger as CoreLedger,
  Edge,
  MarkOrder,
  MarkResult,
  RestartOrder,
  RestartResult,
} from "../../core/index.ts";
import { type KeptOfRun, Ledger, withKept } from "../../core/index.ts";
import type { RingTopic } from "../store.ts";
import { textArray } from "./arrays.ts";
import { listOwedJobs, lockOpenJobs } from "./job-rows.ts";
import { findRun } from "./reading.ts";
import { type StoredRun, slimRunColumns, toRun } from "./run-rows.ts";
import type { Runner, Transaction, Work } from "./session.ts";
import { decideAndWrite } from "./settling.ts";

// Runs that start again (core/restart.ts). Whatever may have to change is found from the runs over their edges and parents, and
// locked in one statement, in the one order of all locks.

interface ReachedRun extends StoredRun {
  readonly now: number;
}

/** Locks runs with all that depends on them, what is above them, and what depends on that. */
export function lockReach(db: Runner, ids: readonly string[]): Promise<ReachedRun[]> {
  return db.run<ReachedRun>("lockReach", reachText, [textArray(ids)]);
}

// Whose end released a run and where it hangs never changes, so a snapshot from before the locks finds all but what has ended since.
const reachText = `
  with recursive reach as (
    select unnest($1::text[]) collate "C" as id
    union
    select f.id from reach w cross join lateral (
      select r.parent_id as id from holdfast.runs r where r.id = w.id and r.parent_id is not null
      union all
      select e.downstream from holdfast.edges e where e.upstream = w.id and e.flipped
    ) f
  )
  select ${slimRunColumns}, holdfast.clock_ms() as now
  from holdfast.runs r where r.id in (select w.id from reach w) order by r.id for update of r`;

/** Flipped edges from these runs. */
export function listFlippedEdges(db: Runner, ids: readonly string[]): Promise<Edge[]> {
  return db.run<Edge & object>("listFlippedEdges", flippedText, [textArray(ids)]);
}

const flippedText = `
  select e.upstream, e.downstream from unnest($1::text[]) w(id) join holdfast.edges e on e.upstream = w.id
  where e.flipped order by e.upstream, e.downstream`;

/** See `Store.restartRuns`. */
export function restartRuns(
  pool: Work,
  rows: readonly RestartOrder[],
): Promise<{ results: RestartResult[]; topics: readonly RingTopic[] }> {
  return pool.transaction(async (transaction) => {
    const first = await reach(transaction, [...new Set(rows.map(({ runId }) => runId))]);
    const ledger = new Ledger(first.now);
    ledger.load(first.rows);
    ledger.linkFlipped(
      first.rows.map(({ id }) => id),
      first,
    );
    const ids = [...new Set(rows.map(({ runId }) => runId))];
    const [own, owed, had] = await Promise.all([
      lockOpenJobs(transaction, ids),
      listOwedJobs(transaction, [...new Set(first.rows.map(({ rootId }) => rootId))]),
      findKept(transaction, ids),
    ]);
    ledger.loadJobs({ jobs: [...own, ...owed] });
    const ended = first.rows.filter(({ endedAt }) => endedAt !== null).map(({ id }) => id);
    const results: RestartResult[] = [];
    for (const row of rows) results.push(await restartOne(transaction, ledger, row));
    const { topics } = await decideAndWrite(transaction, ledger, () => undefined);
    const { restarted } = ledger.changes();
    const revived = restarted.map(({ run }) => run.id).filter((id) => ended.includes(id));
    if (revived.length > 0) transaction.start("forgetPausesOf", forgetText, [textArray(revived)]);
    return { results: withKept(results, rows, (id) => had.get(id)), topics };
  });
}

/** What runs, which are locked, have recorded and keep in their state. */
export async function findKept(db: Runner, ids: readonly string[]): Promise<Map<string, KeptOfRun>> {
  const rows = await db.run<KeptOfRun & { readonly id: string }>("findKept", keptText, [textArray(ids)]);
  return new Map(rows.map(({ id, steps, values }) => [id, { steps, values }]));
}

const keptText = `
  select r.id, r.step_count as steps, coalesce(s.keys, 0) as values
  from unnest($1::text[]) n(id) join holdfast.runs r on r.id = n.id left join holdfast.state_scopes s
    on s.scope_kind = 'run' and s.scope_id = r.id and s.generation = r.generation`;

/** See `Store.markRuns`. */
export async function markRuns(
  pool: Work,
  rows: readonly MarkOrder[],
): Promise<{ results: MarkResult[]; topics: readonly RingTopic[] }> {
  const results: MarkResult[] = [];
  const topics: RingTopic[] = [];
  for (const row of rows) {
    const marked = await pool.transaction(async (transaction) => {
      const first = await reach(transaction, [row.runId]);
      // With its output, which may be what it is marked with.
      const whole = await findRun(transaction, row.runId);
      const ledger = new Ledger(first.now);
      if (whole !== undefined) ledger.load([whole]);
      ledger.load(first.rows);
      ledger.linkFlipped(
        first.rows.map(({ id }) => id),
        first,
      );
      const result = await markOne(transaction, ledger, row);
      return { result, topics: (await decideAndWrite(transaction, ledger, () => undefined)).topics };
    });
    results.push(marked.result);
    topics.push(...marked.topics);
  }
  return { results, topics };
}

async function markOne(transaction: Transaction, ledger: CoreLedger, row: MarkOrder): Promise<MarkResult> {
  for (;;) {
    const result = ledger.mark(row);
    if (result.outcome !== "wanting") return result;
    ledger.linkFlipped(result.ids, await reach(transaction, result.ids));
  }
}

const forgetText = "delete from holdfast.pauses p where p.kind = 'run' and p.name = any ($1::text[])";

/** What ended while the locks were waited for is looked at then. */
async function restartOne(transaction: Transaction, ledger: CoreLedger, row: RestartOrder): Promise<RestartResult> {
  for (;;) {
    const result = ledger.restart(row);
    if (result.outcome !== "wanting") return result;
    ledger.linkFlipped(result.ids, await reach(transaction, result.ids));
  }
}

async function reach(transaction: Transaction, ids: readonly string[]) {
  const stored = await lockReach(transaction, ids);
  const rows = stored.map(toRun);
  const edges = await listFlippedEdges(
    transaction,
    rows.map(({ id }) => id),
  );
  return { rows, edges, now: stored.reduce((now, row) => Math.max(now, row.now), 0) };
}
