import type { EventType, RunEvent, TopicEvent } from "@holdfast/protocol";
import { fittingText } from "./fitting.ts";
import { spanMarginMs } from "./partitions.ts";
import { jsonOf } from "./run-rows.ts";
import type { Runner } from "./session.ts";
import type { SessionPool } from "./session-pool.ts";

// P10: work transactions put events down in the outbox; a sequencer moves what it can see into the log of each namespace and
// numbers it there. What commits late is seen late and comes later; no work transaction touches the row that counts.

const maxMoveRows = 5_000;
/** Names this store's sequencer among advisory locks ("hold", "seq"). */
const sequencerLock = [0x686f6c64, 0x736571] as const;

interface StoredEvent {
  readonly run_id: string;
  readonly root_id: string;
  readonly definition: string;
  readonly name: string;
  readonly number: number;
  readonly type: EventType;
  readonly at: number;
  readonly data: string;
}

const columns = "run_id, root_id, definition, name, number, type, at, data";

/** Makes this transaction the one sequencer, or answers false at once. */
export function lockSequencer(db: Runner): Promise<{ locked: boolean }[]> {
  return db.run("lockSequencer", "select pg_try_advisory_xact_lock($1::int, $2::int) as locked", [...sequencerLock]);
}

/** Moves the oldest visible events into their topics. */
export function moveEvents(db: Runner, limitRows: number): Promise<{ moved: number; more: boolean }[]> {
  return db.run("moveEvents", moveText, [limitRows]);
}

// Rows of the outbox are never updated, and only who holds the lock deletes them: their places (ctid) hold.
const moveText = `
  with batch as materialized (
    select o.*, row_number() over (partition by o.namespace order by o.id) as nth
    from (select w.ctid as place, w.* from holdfast.outbox w order by w.id limit $1) o
  ),
  counted as materialized (select b.namespace, count(*) as events, max(b.id) as last_id from batch b group by b.namespace),
  topic as (
    insert into holdfast.topics as t (namespace, last) select c.namespace, c.events from counted c
    on conflict (namespace) do update set last = t.last + excluded.last
    returning t.namespace, t.last
  ),
  moved as (
    insert into holdfast.events (namespace, position, ${columns})
    select b.namespace, t.last - c.events + b.nth, b.run_id, b.root_id, b.definition, b.name, b.number, b.type, b.at, b.data
    from topic t join counted c on c.namespace = t.namespace join batch b on b.namespace = t.namespace
  ),
  gone as (delete from holdfast.outbox o where o.ctid = any (array(select b.place from batch b)))
  select coalesce(sum(c.events), 0)::int as moved, coalesce(sum(c.events), 0) = $1 and exists (
    select 1 from holdfast.outbox o where o.id > (select max(l.last_id) from counted l)) as more
  from counted c`;

/** See `Store.sequenceEvents`. */
export async function sequenceEvents(pool: SessionPool, limitRows: number): Promise<{ moved: number; more: boolean }> {
  return pool.transaction(async (transaction) => {
    const [lock] = await lockSequencer(transaction);
    if (lock?.locked !== true) return { moved: 0, more: false };
    const [result] = await moveEvents(transaction, Math.min(limitRows, maxMoveRows));
    return { moved: result?.moved ?? 0, more: result?.more ?? false };
  });
}

/** See `Store.listEvents`. */
export async function listEvents(
  db: Runner,
  { runId, after, limitRows }: { runId: string; after: number; limitRows: number },
): Promise<RunEvent[]> {
  const [span] = await findSpan(db, runId);
  if (span === undefined) return [];
  const from = span.created_at - spanMarginMs;
  const until = span.ended_at === null ? Number.MAX_SAFE_INTEGER : span.ended_at + spanMarginMs;
  return (await selectEvents(db, { runId, after, limitRows, from, until })).map(toEvent);
}

/** When a run lived: only partitions of that time hold its events, and only they are opened. */
function findSpan(db: Runner, runId: string): Promise<{ created_at: number; ended_at: number | null }[]> {
  return db.run("findSpan", "select r.created_at, r.ended_at from holdfast.runs r where r.id = $1", [runId]);
}

/** A run's events from one moment to another. */
export function selectEvents(
  db: Runner,
  {
    runId,
    after,
    limitRows,
    from,
    until,
  }: { runId: string; after: number; limitRows: number; from: number; until: number },
): Promise<StoredEvent[]> {
  return db.run<StoredEvent>("selectEvents", eventsText, [runId, after, limitRows, from, until]);
}

// The outbox has no index on runs; it is looked through only when the run's row says that some of its events are there.
const eventsText = `
  with run as materialized (
    select r.last_event, (
        select max(e.number) from holdfast.events e where e.run_id = $1 and e.at >= $4 and e.at <= $5
      ) as moved
    from holdfast.runs r where r.id = $1
  )
  ${fittingText(
    `select * from (
    (select ${columns} from holdfast.events e
      where e.run_id = $1 and e.number > $2 and e.at >= $4 and e.at <= $5 and (select count(*) from run) = 1 order by e.number limit $3)
    union all
    (select ${columns} from holdfast.outbox o
      where o.run_id = $1 and o.number > $2 and (select run.last_event > coalesce(run.moved, 0) from run))
  ) t order by t.number limit $3`,
    { order: "number", bytes: "octet_length(t.data)" },
  )}`;

/** See `Store.listTopic`. */
export async function listTopic(
  db: Runner,
  { namespace, after, limitRows }: { namespace: string; after: number; limitRows: number },
): Promise<{ events: TopicEvent[]; last: number }> {
  // A reader who has everything is the usual one, and opens no partition.
  const [topic] = await findTopic(db, namespace);
  if (topic === undefined || after >= topic.last) return { events: [], last: topic?.last ?? 0 };
  const rows = await selectTopic(db, { namespace, after, limitRows });
  const events = rows.flatMap((row) =>
    row.position === null ? [] : { ...toEvent(row as StoredEvent), position: row.position },
  );
  return { events, last: rows[0]?.last ?? 0 };
}

type TopicRow = Partial<StoredEvent> & { readonly last: number; readonly position: number | null };

/** Events after a position; a row without one when there are none. */
export function selectTopic(
  db: Runner,
  { namespace, after, limitRows }: { namespace: string; after: number; limitRows: number },
): Promise<TopicRow[]> {
  return db.run<TopicRow>("selectTopic", topicText, [namespace, after, limitRows]);
}

/** The highest position given out in a namespace. */
function findTopic(db: Runner, namespace: string): Promise<{ last: number }[]> {
  return db.run("findTopic", "select t.last from holdfast.topics t where t.namespace = $1", [namespace]);
}

const topicText = `
  select t.last, p.* from (select coalesce((select last from holdfast.topics where namespace = $1), 0) as last) t
  left join lateral (${fittingText(
    `select e.position, ${columns} from holdfast.events e
    where e.namespace = $1 and e.position > $2 and e.at >= (select m.topic_floor from holdfast.meta m)
    order by e.position limit $3`,
    { order: "position", bytes: "octet_length(t.data)" },
  )}) p on true
  order by p.position`;

function toEvent(row: StoredEvent): RunEvent {
  return {
    runId: row.run_id,
    rootId: row.root_id,
    definition: row.definition,
    name: row.name,
    number: row.number,
    type: row.type,
    at: row.at,
    data: jsonOf(row.data) as RunEvent["data"],
  };
}
