import { type Json, limits, type StepRecord } from "@holdfast/protocol";
import { jsonBytes } from "../admission.ts";
import type { StepResult, StepRow } from "../store.ts";
import { numberArray, textArray } from "./arrays.ts";
import { jsonOf } from "./run-rows.ts";
import type { Runner } from "./session.ts";

/**
 * What happened to the row at `place`; no answer: there is no such run. `recorded` counts the rows that were: fewer than have
 * that outcome when another call recorded the same keys at the same time.
 */
interface StepAnswer {
  readonly place: number;
  readonly outcome: "recorded" | "existing" | "stale_epoch" | "stepsPerRun" | "stepBytesPerRun";
  readonly value: string | null;
  readonly recorded: number;
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

/** Whether an activation that records is its run's (P2). */
const liveText = `r.claimed_by is not null and r.status in ('running', 'cancelling') and r.epoch = g.epoch
        and r.generation = g.generation as live`;

/** What steps that were recorded mean for their runs. */
const progressText = `progress as (
    update holdfast.runs r set losses = 0, takeovers = 0, step_count = r.step_count + f.count,
      step_bytes = r.step_bytes + f.bytes
    from (select f.scope_id, count(*) as count, sum(f.bytes) as bytes from fresh f group by f.scope_id) f
    where r.id = f.scope_id
  )`;

// P2: the run's row is locked before its epoch is looked at, and the lock is what a takeover waits for. A key that another
// call records between this statement's snapshot and the lock meets it at the primary key. Each key is looked up by itself: a join is
// planned, before the table's first ANALYZE, as a walk along the steps of all runs.
const recordText = `
  with given as materialized (
    select * from unnest($1::text[], $2::int[], $3::int[], $4::text[], $5::text[], $6::bigint[])
      with ordinality n(run_id, epoch, generation, key, value, bytes, place)
  ),
  held as materialized (
    select g.*, r.step_count, r.step_bytes,
      ${liveText}
    from given g join holdfast.runs r on r.id = g.run_id order by r.id for no key update of r
  ),
  seen as materialized (
    select h.*, (select v.value from holdfast.values v where v.scope_kind = 'step' and v.scope_id = h.run_id
      and v.generation = h.generation and v.key = h.key) as kept from held h
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
    returning scope_id, octet_length(value) as bytes
  ),
  ${progressText}
  select j.place, j.kept as value, j.outcome, (select count(*) from fresh) as recorded from judged j order by j.place`;

/** A row of a run that is there. `recorded` counts those of the statement that were recorded. */
interface FreshAnswer {
  readonly place: number;
  readonly live: boolean;
  readonly fits: boolean;
  readonly recorded: number;
}

/**
 * Records steps under keys that nobody has used, of runs far from their limits: nearly all. What it leaves out of a live run is for
 * {@link recordSteps}, which costs the server twice as much.
 */
export function recordFreshSteps(db: Runner, rows: readonly StepRow[]): Promise<FreshAnswer[]> {
  const used = new Map<string, { steps: number; bytes: number }>();
  const after = rows.map(({ runId, value }) => {
    const { steps, bytes } = used.get(runId) ?? { steps: 0, bytes: 0 };
    const now = { steps: steps + 1, bytes: bytes + jsonBytes(value) };
    used.set(runId, now);
    return now;
  });
  return db.run<FreshAnswer>("recordFreshSteps", recordFreshText, [
    textArray(rows.map((row) => row.runId)),
    numberArray(rows.map((row) => row.epoch)),
    numberArray(rows.map((row) => row.generation)),
    textArray(rows.map((row) => row.key)),
    textArray(rows.map((row) => JSON.stringify(row.value))),
    numberArray(after.map(({ steps }) => steps)),
    numberArray(after.map(({ bytes }) => bytes)),
    limits.stepsPerRun,
    limits.stepBytesPerRun,
  ]);
}

// As above, without looking for what is there: the primary key tells. `fits` counts every row of the run before it as a new one.
const recordFreshText = `
  with held as materialized (
    select g.*, r.step_count + g.steps <= $8 and r.step_bytes + g.bytes <= $9 as fits,
      ${liveText}
    from unnest($1::text[], $2::int[], $3::int[], $4::text[], $5::text[], $6::int[], $7::bigint[])
      with ordinality g(run_id, epoch, generation, key, value, steps, bytes, place)
    join holdfast.runs r on r.id = g.run_id order by r.id for no key update of r
  ),
  moment as materialized (select holdfast.clock_ms() as now from (select count(*) from held) h),
  fresh as (
    insert into holdfast.values (scope_kind, scope_id, generation, key, version, value, writer_run, writer_epoch, created_at,
      updated_at)
    select 'step', h.run_id, h.generation, h.key, 1, h.value, h.run_id, h.epoch, m.now, m.now
    from held h cross join moment m where h.live and h.fits order by h.place
    on conflict do nothing
    returning scope_id, octet_length(value) as bytes
  ),
  ${progressText}
  select h.place, h.live, h.fits, (select count(*) from fresh) as recorded from held h`;

/** Whether a statement has settled all of its rows: recorded what is live. */
function areSettled(answers: readonly FreshAnswer[]): boolean {
  const live = answers.filter((answer) => answer.live);
  return live.every(({ fits }) => fits) && live.length === (answers[0]?.recorded ?? 0);
}

/** See `Store.commitSteps`. */
export async function commitSteps(db: Runner, rows: readonly StepRow[]): Promise<StepResult[]> {
  const results: StepResult[] = rows.map(() => ({ outcome: "stale_epoch" }));
  let waiting = placesByKey(rows);
  const firsts = waiting.flatMap(([first = -1]) => rows[first] ?? []);
  const fresh = await recordFreshSteps(db, firsts);
  if (areSettled(fresh)) {
    for (const { place } of fresh.filter(({ live }) => live)) {
      const [first = -1, ...others] = waiting[place - 1] ?? [];
      results[first] = { outcome: "recorded" };
      for (const index of others) results[index] = { outcome: "existing", value: rows[first]?.value ?? null };
    }
    return results;
  }
  // Those that were recorded find themselves.
  for (let round = 0; waiting.length > 0; round++) {
    if (round > rows.length + 1) throw new Error("steps are not settling");
    const answers = await recordSteps(
      db,
      waiting.flatMap(([first = -1]) => rows[first] ?? []),
    );
    // Where some have lost a race, all that were recorded are asked again: they find themselves. Of several rows of a run over
    // its bytes only the first is final: its bytes were counted against those behind it.
    const isRaced = answers.filter(({ outcome }) => outcome === "recorded").length !== (answers[0]?.recorded ?? 0);
    const full = new Set<string>();
    const open: number[][] = [];
    for (const answer of answers) {
      const [first = -1, ...others] = waiting[answer.place - 1] ?? [];
      const row = rows[first];
      const isFull = answer.outcome === "stepBytesPerRun";
      const isOpen = isFull ? full.has(row?.runId ?? "") : answer.outcome === "recorded" && isRaced;
      if (isOpen) open.push([first, ...others]);
      else results[first] = toResult(answer);
      if (isFull) full.add(row?.runId ?? "");
      // Those under the same key are answered by the same statement, lest an end falls between them; but another value may fit.
      if (isFull && !isOpen && others.length > 0) open.push(others);
      if (!isFull && !isOpen) for (const index of others) results[index] = toLaterResult(answer, row?.value ?? null);
    }
    waiting = open.sort(([a = 0], [b = 0]) => a - b);
  }
  return results;
}

/** Places of rows, those of one key together, in the order of the first of each key. */
function placesByKey(rows: readonly StepRow[]): number[][] {
  const places = new Map<string, number[]>();
  for (const [index, { runId, epoch, generation, key }] of rows.entries()) {
    const identity = JSON.stringify([runId, epoch, generation, key]);
    const known = places.get(identity);
    if (known === undefined) places.set(identity, [index]);
    else known.push(index);
  }
  return [...places.values()];
}

/** What a row is answered that comes behind one with the same key. */
function toLaterResult(first: StepAnswer, value: Json): StepResult {
  return first.outcome === "recorded" ? { outcome: "existing", value } : toResult(first);
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
