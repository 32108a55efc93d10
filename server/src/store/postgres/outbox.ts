import type { LedgerEvent } from "../../core/index.ts";
import { msArray, numberArray, textArray } from "./arrays.ts";
import type { Runner } from "./session.ts";

/** What a statement gives that puts events down: in this order, and in the order of the events. */
export const outboxColumns = "namespace, run_id, root_id, definition, name, number, type, at, data";

/** Puts events down for the sequencer, in this order. */
export function insertEvents(db: Runner, events: readonly LedgerEvent[]): Promise<unknown> {
  return db.run("insertEvents", insertText, [
    textArray(events.map((event) => event.run.namespace)),
    textArray(events.map((event) => event.run.id)),
    textArray(events.map((event) => event.run.rootId)),
    textArray(events.map((event) => event.run.definition)),
    textArray(events.map((event) => event.run.name)),
    numberArray(events.map((event) => event.number)),
    textArray(events.map((event) => event.type)),
    msArray(events.map((event) => event.at)),
    textArray(events.map((event) => JSON.stringify(event.data))),
  ]);
}

const insertText = `
  insert into holdfast.outbox (${outboxColumns})
  select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[], $8::bigint[],
    $9::text[])`;
