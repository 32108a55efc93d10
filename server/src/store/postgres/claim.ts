import { AppError } from "@holdfast/protocol";
import type { RunRow } from "../../core/index.ts";
import { textArray } from "./arrays.ts";
import { outboxColumns } from "./outbox.ts";
import { runColumns, type StoredRun, toRun } from "./run-rows.ts";
import type { Runner } from "./session.ts";

export interface Claim {
  readonly memberId: string;
  readonly namespace: string;
  /** Null: every queue. */
  readonly queues: readonly string[] | null;
  readonly limitRows: number;
}

/** Of a row without a run only `alive` is there. */
type ClaimedRow = (StoredRun | { readonly id: null }) & { readonly alive: boolean };

/** Claims what is ready, or throws `member_gone`. Rows that others hold are passed over. */
export async function claimRuns(db: Runner, claim: Claim): Promise<RunRow[]> {
  const { memberId, namespace, queues, limitRows } = claim;
  const rows =
    queues === null
      ? await db.run<ClaimedRow>("claimRuns", claimText, [memberId, namespace, limitRows])
      : await db.run<ClaimedRow>("claimRunsOfQueues", claimOfQueuesText, [
          memberId,
          namespace,
          limitRows,
          textArray([...new Set(queues)]),
        ]);
  if (rows[0]?.alive !== true) throw memberGoneError(memberId);
  return rows.flatMap((row) => (row.id === null ? [] : toRun(row)));
}

/** Thrown to a caller whose membership has ended. */
export function memberGoneError(memberId: string): AppError {
  return new AppError("member_gone", `The member ${memberId} is gone; its activations are others' now.`, {
    hint: "Join again under a new id.",
  });
}

// The member's row is held against the judge, who ends it only when no claim is under way.
const memberText = `
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

const takeText = `
  moment as materialized (select holdfast.clock_ms() as now from (select count(*) from due) d),
  taken as (
    update holdfast.runs r set status = 'running', epoch = r.epoch + 1, claimed_by = $1, claimed_at = moment.now,
      started_at = coalesce(r.started_at, moment.now), last_event = r.last_event + 1
    from due cross join moment where r.id = due.id
    returning r.*
  ),
  told as (
    insert into holdfast.outbox (${outboxColumns})
    select t.namespace, t.id, t.root_id, t.definition, t.name, t.last_event, 'run.started', t.claimed_at,
      '{"attempt":' || t.attempt || ',"epoch":' || t.epoch || ',"member":' || to_json($1::text)::text || '}'
    from taken t
  )
  select m.id is not null as alive, ${runColumns}
  from (values (1)) one left join member m on true left join taken r on true
  order by r.priority desc, r.ord`;

const claimText = `
  with ${memberText},
  due as materialized (
    select r.id from holdfast.runs r
    where r.namespace = $2 and r.status = 'ready' and r.wake_at is null and r.gate is null and r.priority is not null
      and (select count(*) from member) = 1 and ${notHeldText}
    order by r.priority desc, r.ord limit $3 for update of r skip locked
  ),
  ${takeText}`;

// Each queue gives up to the limit; what is over it is let go again with the statement.
const claimOfQueuesText = `
  with ${memberText},
  offered as materialized (
    select o.* from unnest($4::text[]) q(queue) cross join lateral (
      select r.id, r.priority, r.ord from holdfast.runs r
      where r.namespace = $2 and r.queue = q.queue and r.status = 'ready' and r.wake_at is null and r.gate is null
        and (select count(*) from member) = 1 and ${notHeldText}
      order by r.priority desc, r.ord limit $3 for update of r skip locked
    ) o
  ),
  due as materialized (select o.id from offered o order by o.priority desc, o.ord limit $3),
  ${takeText}`;
