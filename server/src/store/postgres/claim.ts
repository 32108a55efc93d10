import { AppError } from "@holdfast/protocol";
import { claimRounds, type RunRow } from "../../core/index.ts";
import { textArray } from "./arrays.ts";
import { outboxColumns } from "./outbox.ts";
import { putAside } from "./pauses.ts";
import { runColumns, type StoredRun, toRun } from "./run-rows.ts";
import type { Runner } from "./session.ts";
import type { SessionPool } from "./session-pool.ts";

export interface Claim {
  readonly memberId: string;
  readonly namespace: string;
  /** Null: every queue. */
  readonly queues: readonly string[] | null;
  readonly limitRows: number;
}

/** Of a row without a run only what all rows say is there. */
type ClaimedRow = (StoredRun | { readonly id: null }) & {
  readonly alive: boolean;
  readonly current: boolean;
  readonly paused: string | null;
};

/** Claims what is ready, or throws `member_gone`. Rows that others hold are passed over. `more`: it gave up among paused runs. */
export async function claimRuns(pool: SessionPool, claim: Claim): Promise<{ runs: RunRow[]; more: boolean }> {
  const runs: RunRow[] = [];
  for (let round = 0; round < claimRounds.most; round++) {
    const missing = claim.limitRows - runs.length;
    const look = { ...claim, limitRows: missing, lookRows: round === 0 ? missing : missing + claimRounds.moreRows };
    const { claimed, paused, isCurrent } = await claimReady(pool, look);
    runs.push(...claimed);
    if (paused.length > 0) await putAside(pool, paused);
    else if (isCurrent) return { runs, more: false };
    if (runs.length === claim.limitRows) return { runs, more: false };
  }
  return { runs, more: true };
}

interface Claimed {
  readonly claimed: RunRow[];
  /** Ids of runs that were met and over which a pause stands. */
  readonly paused: string[];
  /** False when pauses were being changed: then nothing was claimed. */
  readonly isCurrent: boolean;
}

/** One look at the first `lookRows` that are ready. */
export async function claimReady(db: Runner, claim: Claim & { readonly lookRows: number }): Promise<Claimed> {
  const { memberId, namespace, queues, limitRows, lookRows } = claim;
  const rows =
    queues === null
      ? await db.run<ClaimedRow>("claimRuns", claimText, [memberId, namespace, limitRows, lookRows])
      : await db.run<ClaimedRow>("claimRunsOfQueues", claimOfQueuesText, [
          memberId,
          namespace,
          limitRows,
          lookRows,
          textArray([...new Set(queues)]),
        ]);
  const [first] = rows;
  if (first?.alive !== true) throw memberGoneError(memberId);
  const paused = first.paused === null ? [] : (JSON.parse(first.paused) as string[]);
  const claimed = rows.flatMap((row) => (row.id === null ? [] : toRun(row)));
  return { claimed, paused, isCurrent: first.current };
}

/** Thrown to a caller whose membership has ended. */
export function memberGoneError(memberId: string): AppError {
  return new AppError("member_gone", `The member ${memberId} is gone; its activations are others' now.`, {
    hint: "Join again under a new id.",
  });
}

// The member's row is held against the judge, who ends it only when no claim is under way.
export const memberText = `
  member as materialized (
    select m.id from holdfast.members m where m.id = $1 and m.ended_at is null for key share of m
  )`;

// An order that is on its way down a tree holds all of it. There is seldom one: the first query is asked once a statement and,
// being in the order of its index, reads nothing else. The second is compared so that the planner expects it to keep every row:
// were it to expect few, it would not walk the ready runs in order.
const notHeldText = `(
        (select true from holdfast.runs s where s.spreading order by s.root_id, s.ord limit 1) is null
        or (select s.root_id from holdfast.runs s where s.spreading and s.root_id = r.root_id order by s.ord limit 1)
          is distinct from r.root_id
      )`;

// Evaluated once a statement, before it reads a ready run.
const pausingText = `
  pausing as materialized (
    select p.any_pause, p.version = (select holdfast.latest_pausing()) as current from holdfast.pausing p
  )`;

const pauseText = `
  case when (select p.any_pause from pausing p)
    then holdfast.pause_over(r.namespace, r.queue, r.definition, r.id, r.parent_id) end as pause`;

const mayClaimText = "(select count(*) from member) = 1 and (select p.current from pausing p)";

const takeText = `
  chosen as materialized (select d.id from due d where d.pause is null order by d.rank, d.ord limit $3),
  moment as materialized (select holdfast.clock_ms() as now from (select count(*) from due) d),
  taken as (
    update holdfast.runs r set status = 'running', epoch = r.epoch + 1, claimed_by = $1, claimed_at = moment.now,
      started_at = coalesce(r.started_at, moment.now), last_event = r.last_event + 1
    from chosen cross join moment where r.id = chosen.id
    returning r.*
  ),
  -- What they hold of rates is their starts' from now on (core's startId).
  stamped as (
    update holdfast.slots s set run_id = t.id || '#' || t.epoch, free_at = t.claimed_at + s.per_ms
    from taken t where t.limits is not null and s.run_id = t.id and s.per_ms is not null and s.free_at is null
  ),
  told as (
    insert into holdfast.outbox (${outboxColumns})
    select t.namespace, t.id, t.root_id, t.definition, t.name, t.last_event, 'run.started', t.claimed_at,
      '{"attempt":' || t.attempt || ',"epoch":' || t.epoch || ',"member":' || to_json($1::text)::text || '}'
    from taken t
  )
  select m.id is not null as alive, (select p.current from pausing p) as current,
    (select json_agg(d.id)::text from due d where d.pause is not null) as paused, ${runColumns}
  from (values (1)) one left join member m on true left join taken r on true
  order by r.rank, r.ord`;

const claimText = `
  with ${memberText},
  ${pausingText},
  due as materialized (
    select r.id, r.rank, r.ord, ${pauseText} from holdfast.runs r
    where r.namespace = $2 and r.status = 'ready' and r.wake_at is null and r.gate is null and r.rank is not null
      and ${mayClaimText} and ${notHeldText}
    order by r.rank, r.ord limit $4 for update of r skip locked
  ),
  ${takeText}`;

// Each queue gives up to the limit; what is over it is let go again with the statement.
const claimOfQueuesText = `
  with ${memberText},
  ${pausingText},
  offered as materialized (
    select o.* from unnest($5::text[]) q(queue) cross join lateral (
      select r.id, r.rank, r.ord, ${pauseText} from holdfast.runs r
      where r.namespace = $2 and r.queue = q.queue and r.status = 'ready' and r.wake_at is null and r.gate is null
        and ${mayClaimText} and ${notHeldText}
      order by r.rank, r.ord limit $4 for update of r skip locked
    ) o
  ),
  due as materialized (select o.* from offered o order by o.rank, o.ord limit $4),
  ${takeText}`;
