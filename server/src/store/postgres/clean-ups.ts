import type { ClaimedCleanUps } from "../obligation-verbs.ts";
import { type Claim, memberGoneError, memberText } from "./claim.ts";
import { outboxColumns } from "./outbox.ts";
import { runColumns, type StoredRun, toRun } from "./run-rows.ts";
import type { Runner } from "./session.ts";

type ClaimedRow = (StoredRun | { readonly id: null }) & {
  readonly alive: boolean;
  readonly next_in: number | null;
};

/** See `Store.claimCleanUps`. Rows that others hold are passed over. */
export async function claimCleanUps(db: Runner, claim: Claim): Promise<ClaimedCleanUps> {
  const { memberId, namespace, queues, limitRows } = claim;
  const named = queues === null ? null : JSON.stringify(queues);
  const rows = await db.run<ClaimedRow>("claimCleanUps", claimText, [memberId, namespace, limitRows, named]);
  const [first] = rows;
  if (first?.alive !== true) throw memberGoneError(memberId);
  return { runs: rows.flatMap((row) => (row.id === null ? [] : toRun(row))), nextInMs: first.next_in };
}

const openText = `
  from holdfast.obligations o join holdfast.runs r on r.id = o.run_id
  where o.member_id is null and o.kind = 'clean_up' and o.met_at is null and o.namespace = $2
    and r.status = 'cancelling' and r.claimed_by is null and r.ending::jsonb -> 'cleanUp' -> 'try' is not null
    and ($4::text is null or $4::jsonb ? r.queue)`;

// The open obligations lead to the runs; what core's `isCleanUpDue` says is looked at under the lock.
const claimText = `
  with ${memberText},
  due as materialized (
    select r.id, o.ordered_at ${openText} and (r.wake_at is null or r.wake_at <= (select holdfast.clock_ms()))
      and (select count(*) from member) = 1
    order by o.ordered_at, o.run_id limit $3 for update of r skip locked
  ),
  later as materialized (select min(r.wake_at) as at ${openText} and r.wake_at > (select holdfast.clock_ms())),
  moment as materialized (select holdfast.clock_ms() as now from (select count(*) from due) d),
  taken as (
    update holdfast.runs r set epoch = r.epoch + 1, claimed_by = $1, claimed_at = moment.now, wake_at = null,
      last_event = r.last_event + 1
    from due cross join moment where r.id = due.id
    returning r.*
  ),
  told as (
    insert into holdfast.outbox (${outboxColumns})
    select t.namespace, t.id, t.root_id, t.definition, t.name, t.last_event, 'run.clean_up_started', t.claimed_at,
      '{"try":' || (t.ending::jsonb -> 'cleanUp' ->> 'try') || ',"epoch":' || t.epoch || ',"member":' || to_json($1::text)::text || '}'
    from taken t
  )
  select m.id is not null as alive, l.at - moment.now as next_in, ${runColumns}
  from moment cross join later l left join member m on true left join taken r on true left join due d on d.id = r.id
  order by d.ordered_at, d.id`;
