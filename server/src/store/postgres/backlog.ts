import type { Backlog } from "../store.ts";
import type { Runner } from "./session.ts";

interface CountedQueue {
  readonly queue: string;
  readonly ready: number;
  readonly id: string;
  readonly last_event: number;
}

/** See `Store.measureBacklog`. */
export async function measureBacklog(
  db: Runner,
  { namespace, limitRows }: { namespace: string; limitRows: number },
): Promise<Backlog> {
  const [queues, [waiting]] = await Promise.all([
    db.run<CountedQueue>("countReady", readyText, [namespace, limitRows]),
    db.run<{ n: number }>("countUnsequenced", unsequencedText, [limitRows]),
  ]);
  return {
    queues: queues.map(({ queue, ready, id, last_event: lastEvent }) => ({
      queue,
      ready,
      head: { runId: id, lastEvent },
    })),
    unsequenced: waiting?.n ?? 0,
  };
}

const isReady = "r.status = 'ready' and r.wake_at is null and r.gate is null";

// From queue to queue by the index of ready runs, which holds nothing else.
const readyText = `
  with recursive hop as (
    (select r.queue from holdfast.runs r where r.namespace = $1 and ${isReady} order by r.queue limit 1)
    union all
    select (select r.queue from holdfast.runs r where r.namespace = $1 and r.queue > hop.queue and ${isReady}
      order by r.queue limit 1)
    from hop where hop.queue is not null
  )
  select hop.queue, counted.ready, head.id, head.last_event
  from hop
  cross join lateral (select count(*)::int as ready from (
    select 1 from holdfast.runs r where r.namespace = $1 and r.queue = hop.queue and ${isReady} limit $2) r) counted
  cross join lateral (
    select r.id, r.last_event from holdfast.runs r where r.namespace = $1 and r.queue = hop.queue and ${isReady}
    order by r.rank, r.ord limit 1) head
  where hop.queue is not null order by hop.queue`;

const unsequencedText = "select count(*)::int as n from (select 1 from holdfast.outbox limit $1) o";
