import { type Finish, type FinishResult, Ledger, type LedgerEvent, type RunRow } from "../../core/index.ts";
import { msArray, numberArray, textArray } from "./arrays.ts";
import { outboxColumns } from "./outbox.ts";
import { jsonText, valueText } from "./run-rows.ts";
import type { Runner } from "./session.ts";

// The ends of known roots, in one statement. They hang on nothing but the run itself, so they are decided before its row is
// held, and written only where the row is still the one that was claimed:
//
// P2  The epoch and the number of the last event are compared with the row under its lock. What changes a claimed run raises
//     one of them (a wait that it opens or a signal is an event, too), so a takeover or a cancel that came first leaves the row unmatched. (A recorded step raises neither, but
//     touches only what an end leaves alone.)
// P3  Row and event are one statement.
// P9  The ledger's moment is 0; the statement adds the server's clock.

/** Ends what it can; a result is undefined where the run stands otherwise than \`runs\` says: it has to be locked and looked at. */
export async function finishKnownRoots(
  db: Runner,
  rows: readonly Finish[],
  runs: readonly RunRow[],
): Promise<(FinishResult | undefined)[]> {
  const ledger = new Ledger(0);
  ledger.load(runs);
  const results = rows.map((row) => ledger.finish(row));
  const ended = new Set((await endRoots(db, ledger.changes().events)).map(({ id }) => id));
  return results.map((result, index) => (ended.has(rows[index]?.runId ?? "") ? result : undefined));
}

/** Writes ends with their events where the run stands one event before; answers where it did. Locks in the order of ids. */
export function endRoots(db: Runner, events: readonly LedgerEvent[]): Promise<{ id: string }[]> {
  const sorted = events.toSorted((a, b) => (a.run.id < b.run.id ? -1 : 1));
  return db.run("endRoots", endText, [
    textArray(sorted.map(({ run }) => run.id)),
    numberArray(sorted.map(({ run }) => run.epoch)),
    numberArray(sorted.map(({ number }) => number)),
    textArray(sorted.map(({ run }) => run.status)),
    textArray(sorted.map(({ run }) => valueText(run.output))),
    textArray(sorted.map(({ run }) => jsonText(run.error))),
    numberArray(sorted.map(({ run }) => run.ranMs)),
    msArray(sorted.map(({ at }) => at)),
    textArray(sorted.map(({ type }) => type)),
    textArray(sorted.map(({ data }) => JSON.stringify(data))),
  ]);
}

// No word about the row's status or claim: it would invite the planner to walk a partial index instead of the primary key.
const endText = `
  with moment as materialized (select holdfast.clock_ms() as now),
  ended as (
    update holdfast.runs r set status = n.status, output = n.output, error = n.error, ran_ms = n.ran_ms, wake_at = null,
      claimed_by = null, claimed_at = null, last_event = n.number, ended_at = moment.now + n.at
    from moment cross join unnest($1::text[], $2::int[], $3::int[], $4::text[], $5::text[], $6::text[], $7::float8[],
      $8::bigint[], $9::text[], $10::text[]) n(id, epoch, number, status, output, error, ran_ms, at, type, data)
    where r.id = n.id and r.epoch = n.epoch and r.last_event = n.number - 1
    returning r.id, r.namespace, r.root_id, r.definition, r.name, n.number, n.type, r.ended_at as at, n.data
  ),
  told as (
    insert into holdfast.outbox (${outboxColumns})
    select e.namespace, e.id, e.root_id, e.definition, e.name, e.number, e.type, e.at, e.data from ended e
  )
  select e.id from ended e`;
