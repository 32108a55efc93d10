import { type Manifest, manifestSchema } from "@holdfast/protocol";
import type postgres from "postgres";
import { type Services, serve } from "../../main.ts";
import type { TestDatabase } from "./database.fixture.ts";

/** A task that nobody will carry out. `input`: its JSON Schema. */
export function taskManifest(id: string, input?: object): Manifest {
  const spec = {
    kind: "task",
    id,
    executor: "typescript",
    source: { module: "load.ts", export: "load" },
    queue: "default",
    priority: 0,
    retry: { attempts: 1, delayMs: 0, factor: 1, maxDelayMs: 0, jitter: 0 },
    placement: "process",
    isolation: "pool",
    reads: [],
    writes: [],
    ...(input === undefined ? {} : { input }),
  };
  return manifestSchema.parse({ format: 1, root: id, definitions: { [id]: spec }, assets: {} });
}

/** A node's services on a store of its own, with one definition, `ship`. */
export async function openServices(database: TestDatabase): Promise<Services> {
  const services = serve(await database.open(), {});
  await services.definitions.apply([taskManifest("ship")]);
  return services;
}

/** Makes an intent, and answers the run that it promises. `options`: named arguments, in SQL. */
export async function promise(sql: postgres.Sql | postgres.TransactionSql, options = "'ship'"): Promise<string> {
  const [row] = await sql.unsafe<{ id: string }[]>(`select holdfast.enqueue(${options}) as id`);
  return row?.id ?? "";
}

/** Carries out everything that stands open. */
export async function redeemAll({ intents }: Services): Promise<void> {
  while ((await intents.redeem()).more);
}

/** What was told of a run, the oldest first. */
export async function eventsOf({ store }: Services, runId: string): Promise<string[]> {
  return (await store.listEvents({ runId, after: 0, limitRows: 100 })).map(({ type }) => type);
}

/** Intents that could not be carried out. */
export async function rejectedBy({ intents }: Services) {
  return (await intents.list({ state: "rejected", limit: 100 })).intents;
}

/** Nothing is left of a test but its database, and the one definition that each node began with. */
export async function beginAnew(database: TestDatabase, nodes: readonly Services[]): Promise<void> {
  await database.empty();
  for (const { definitions } of nodes) for (const id of ["ship", "bill"]) definitions.forget(id);
  await nodes[0]?.definitions.apply([taskManifest("ship")]);
}
