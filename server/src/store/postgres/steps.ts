import { limits, type StepRecord } from "@holdfast/protocol";
import { jsonBytes } from "../admission.ts";
import type { StepResult, StepRow } from "../store.ts";
import { numberArray, textArray } from "./arrays.ts";
import { jsonOf } from "./run-rows.ts";
import type { Runner } from "./session.ts";

/** What happened to the row at `place`. `raced`: another call recorded the key meanwhile; asked again, it is `existing`. */
interface StepAnswer {
  readonly place: number;
  readonly outcome: "recorded" | "existing" | "stale_epoch" | "stepsPerRun" | "stepBytesPerRun" | "raced";
  readonly value: string | null;
}

/** Records steps of live activations, each key at most once in `rows`. */
export function recordSteps(db: Runner, rows: readonly StepRow[]): Promise<StepAnswer[]> {
  return db.run<StepAnswer>("recordSteps", recordText, [
    textArray(rows.map((row) => row.runId)),
    numberArray(rows.map((row) => row.epoch)),
    numberArray(rows.map((row) => row.generation)),
    textArray(rows.map((row) => row.key)),
    textArray(rows.map((row) => JSON.stringify(row.value))),
    numberArray(rows.map((row) => jsonBytes(row.value))),
    limits.stepsPerRun,
    limits.stepBytesPerRun,
  ]);
}

// P2: the run's row is locked before its epoch is looked at, and the lock is what a takeover waits for. A key that another
// call records between this statement's snapshot and the lock meets it at the primary key.
const recordText = `
  with given as materialized (
    select * from unnest($1::text[], $2::int[], $3::int[], $4::text[], $5::text[], $6::bigint[])
      with ordinality n(run_id, epoch, generation, key, value, bytes, place)
  ),
  held as materialized (
    select r.id, r.epoch, r.generation, r.step_count, r.step_bytes,
      r.claimed_by is not null and r.status in ('running', 'cancelling') as live
    from holdfast.runs r where r.id in (select run_id from given) order by r.id for no key update of r
  ),
  seen as materialized (
    select g.*, h.step_count, h.step_bytes, v.value as kept,
      coalesce(h.live and h.epoch = g.epoch and h.generation = g.generation, false) as live
    from given g left join held h on h.id = g.run_id
    left join holdfast.values v on v.scope_kind = 'step' and v.scope_id = g.run_id and v.generation = g.generation
      and v.key = g.key
  ),
  counted as materialized (
    select s.*,
      s.step_count + count(*) filter (where s.live and s.kept is null) over w as count_after,
      s.step_bytes + sum(s.bytes) filter (where s.live and s.kept is null) over w as bytes_after
    from seen s window w as (partition by s.run_id order by s.place)
  ),
  judged as materialized (
    select c.*, case
      when not c.live then 'stale_epoch'
      when c.kept is not null then 'existing'
      when c.count_after > $7 then 'stepsPerRun'
      when c.bytes_after > $8 then 'stepBytesPerRun'
      else 'recorded' end as outcome
    from counted c
  ),
  fresh as (
    insert into holdfast.values (scope_kind, scope_id, generation, key, version, value, writer_run, writer_epoch, created_at,
      updated_at)
    select 'step', j.run_id, j.generation, j.key, 1, j.value, j.run_id, j.epoch, m.now, m.now
    from judged j cross join (select holdfast.clock_ms() as now from (select count(*) from held) h) m
    where j.outcome = 'recorded' order by j.place
    on conflict do nothing
    returning scope_id, key
  ),
  progress as (
    update holdfast.runs r set losses = 0, takeovers = 0, step_count = r.step_count + f.count,
      step_bytes = r.step_bytes + f.bytes
    from (
      select j.run_id, count(*) as count, sum(j.bytes) as bytes
      from judged j join fresh f on f.scope_id = j.run_id and f.key = j.key where j.outcome = 'recorded' group by j.run_id
    ) f where r.id = f.run_id
  )
  select j.place, j.kept as value, case when j.outcome = 'recorded' and f.key is null then 'raced' else j.outcome end as outcome
  from judged j left join fresh f on f.scope_id = j.run_id and f.key = j.key
  order by j.place`;

/** See `Store.commitSteps`. */
export async function commitSteps(db: Runner, rows: readonly StepRow[]): Promise<StepResult[]> {
  const results: (StepResult | undefined)[] = rows.map(() => undefined);
  // Of rows with one key the first is recorded and the others find it; a raced key is found on the second round. Of several
  // rows of a run that were over its bytes only the first is final, since its bytes were counted against those after it.
  for (let waiting = rows.map((_, index) => index), round = 0; waiting.length > 0; round++) {
    if (round > rows.length + 1) throw new Error("steps are not settling");
    const [now, later] = firstOfEachKey(rows, waiting);
    const answers = await recordSteps(
      db,
      now.flatMap((index) => rows[index] ?? []),
    );
    const full = new Set<string>();
    for (const answer of answers) {
      const index = now[answer.place - 1] ?? -1;
      const runId = rows[index]?.runId ?? "";
      if (answer.outcome === "raced" || (answer.outcome === "stepBytesPerRun" && full.has(runId))) later.push(index);
      else results[index] = toResult(answer);
      if (answer.outcome === "stepBytesPerRun") full.add(runId);
    }
    waiting = later.sort((a, b) => a - b);
  }
  return results.map((result) => {
    if (result === undefined) throw new Error("a step has no result");
    return result;
  });
}

function firstOfEachKey(rows: readonly StepRow[], indexes: readonly number[]): [number[], number[]] {
  const seen = new Set<string>();
  const first: number[] = [];
  const later: number[] = [];
  for (const index of indexes) {
    const row = rows[index];
    const identity = JSON.stringify([row?.runId, row?.epoch, row?.generation, row?.key]);
    (seen.has(identity) ? later : first).push(index);
    seen.add(identity);
  }
  return [first, later];
}

function toResult({ outcome, value }: StepAnswer): StepResult {
  switch (outcome) {
    case "recorded":
    case "stale_epoch":
      return { outcome };
    case "existing":
      return { outcome, value: jsonOf(value) ?? null };
    case "stepsPerRun":
    case "stepBytesPerRun":
      return { outcome: "limit_exceeded", limit: outcome };
    case "raced":
      throw new Error("a raced step is asked for again");
  }
}

/** Steps of a run in the order in which they were recorded. */
export async function listSteps(db: Runner, runId: string, generation: number): Promise<StepRecord[]> {
  const rows = await db.run<{ key: string; value: string }>("listSteps", listText, [runId, generation]);
  return rows.map(({ key, value }) => ({ key, value: jsonOf(value) ?? null }));
}

const listText = `
  select v.key, v.value from holdfast.values v
  where v.scope_kind = 'step' and v.scope_id = $1 and v.generation = $2 order by v.ord`;
