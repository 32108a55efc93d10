import { readdirSync, readFileSync } from "node:fs";
import { AppError } from "@holdfast/protocol";
import { readAddress } from "./address.ts";
import { isMissingRelation } from "./failures.ts";
import { makePartitions } from "./partitions.ts";
import { type Runner, Session, type Transaction } from "./session.ts";

// Migrations are plain SQL, forward only, carried out under a lock and written down in `holdfast.migrations`. Everything lies
// in the schema `holdfast` of the database.

const folder = new URL("../migrations/postgres/", import.meta.url);
/** Names the migrating process among advisory locks ("hold", "mig"). */
const migrationLock = [0x686f6c64, 0x6d6967] as const;

interface Migration {
  readonly version: number;
  readonly name: string;
  readonly file: URL;
}

function listMigrations(): Migration[] {
  const names = readdirSync(folder)
    .filter((name) => /^\d{4}_.*\.sql$/.test(name))
    .sort();
  return names.map((name) => ({ version: Number(name.slice(0, 4)), name, file: new URL(name, folder) }));
}

/** The version of the schema that this code works with. */
export function newestSchema(): number {
  return listMigrations().at(-1)?.version ?? 0;
}

/**
 * Creates the schema in the database at `url` or brings it up to date. Answers its version. Throws `store_newer` for a schema
 * from the future, `store_unavailable` when the server cannot be reached.
 */
export async function migratePostgres(url: string): Promise<{ version: number }> {
  const address = readAddress(url);
  const server = address.directUrl ?? address.url;
  const isPooled = address.directUrl === undefined;
  const session = await Session.open({ url: server, applicationName: "holdfast migrate", prepare: false, isPooled });
  try {
    await session.transaction(migrate);
    return { version: newestSchema() };
  } finally {
    await session.close();
  }
}

/** All or nothing, so that a failed migration leaves the schema as it was. */
async function migrate(transaction: Transaction): Promise<void> {
  await transaction.run("lockMigrations", "select pg_advisory_xact_lock($1::int, $2::int)", [...migrationLock]);
  await requireUnicode(transaction);
  await transaction.run("createSchema", "create schema if not exists holdfast");
  await transaction.run(
    "createMigrations",
    `create table if not exists holdfast.migrations (
      version integer primary key, name text not null, applied_at timestamptz not null default now())`,
  );
  const version = await schemaVersion(transaction);
  refuseNewer(version);
  for (const migration of listMigrations()) {
    if (migration.version <= version) continue;
    await transaction.run(migration.name, readFileSync(migration.file, "utf8"));
    await transaction.run("recordMigration", "insert into holdfast.migrations (version, name) values ($1, $2)", [
      migration.version,
      migration.name,
    ]);
  }
  // PostgreSQL lets everybody call a new function. Who may make intents may call those and no other.
  await transaction.run("closeFunctions", "revoke execute on all functions in schema holdfast from public");
  await identifyStore(transaction);
  const [clock] = await transaction.run<{ now: number }>("readClock", "select holdfast.clock_ms() as now");
  await makePartitions(transaction, clock?.now ?? 0);
}

/**
 * Checks that this code can work with the schema and answers the store's incarnation: a new one when the database was
 * restored into another server or cloned.
 */
export async function openSchema(session: Session): Promise<{ incarnation: string }> {
  let version: number;
  try {
    version = await schemaVersion(session);
  } catch (error) {
    if (!isMissingRelation(error)) throw error;
    version = 0;
  }
  refuseNewer(version);
  if (version < newestSchema()) {
    const what = version === 0 ? "holds no store" : `has schema ${version}, and ${newestSchema()} is needed`;
    throw new AppError("invalid_request", `The PostgreSQL database ${what}.`, { hint: "Run `holdfast migrate`." });
  }
  const [meta] = await identifyStore(session);
  if (meta === undefined) throw new Error("holdfast.meta is empty");
  return meta;
}

/** Texts of all languages are kept. */
async function requireUnicode(db: Runner): Promise<void> {
  const [row] = await db.run<{ encoding: string }>(
    "serverEncoding",
    "select current_setting('server_encoding') as encoding",
  );
  if (row?.encoding === "UTF8") return;
  throw new AppError("invalid_request", `The PostgreSQL database has the encoding ${row?.encoding}; UTF8 is needed.`, {
    hint: "Create another one: createdb --encoding=UTF8 --template=template0 NAME.",
  });
}

async function schemaVersion(db: Runner): Promise<number> {
  const [row] = await db.run<{ version: number | null }>(
    "schemaVersion",
    "select max(version) as version from holdfast.migrations",
  );
  return row?.version ?? 0;
}

function refuseNewer(version: number): void {
  if (version <= newestSchema()) return;
  throw new AppError(
    "store_newer",
    `The PostgreSQL store has schema ${version}; this version of Holdfast knows up to ${newestSchema()}.`,
    { hint: "Use the version of Holdfast that migrated it, or a newer one." },
  );
}

/** Writes down which database this is; the incarnation stays as long as that is the same. */
export function identifyStore(db: Runner): Promise<{ incarnation: string }[]> {
  return db.run("identifyStore", identifyText);
}

const identifyText = `
  insert into holdfast.meta as m (incarnation, system_identifier, database_oid)
  select gen_random_uuid()::text, c.system_identifier::text, d.oid::bigint
  from pg_control_system() c, pg_database d where d.datname = current_database()
  on conflict (one) do update set system_identifier = excluded.system_identifier, database_oid = excluded.database_oid,
    incarnation = case
      when (m.system_identifier, m.database_oid) = (excluded.system_identifier, excluded.database_oid) then m.incarnation
      else excluded.incarnation end
  returning m.incarnation`;
