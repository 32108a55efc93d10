import { readFileSync } from "node:fs";
import { AppError } from "@holdfast/protocol";
import { type AppliedMigration, migrationFiles, missingMigrations, newestOf } from "../migration-files.ts";
import { readAddress } from "./address.ts";
import { isMissingRelation, isTaken } from "./failures.ts";
import { makePartitions } from "./partitions.ts";
import { type Runner, Session, type Transaction } from "./session.ts";

// Migrations are plain SQL, forward only, carried out under a lock and written down in `holdfast.migrations`. Everything lies
// in the schema `holdfast` of the database.

const folder = new URL("../migrations/postgres/", import.meta.url);
/** Names the migrating process among advisory locks ("hold", "mig"). */
const migrationLock = [0x686f6c64, 0x6d6967] as const;

const migrations = migrationFiles(folder);
const storeName = "The PostgreSQL store";

/** The version of the schema that this code works with. */
export function newestSchema(): number {
  return newestOf(migrations);
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
  } catch (error) {
    throw foreignSchema(error);
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
  for (const migration of missingMigrations(storeName, migrations, await listApplied(transaction))) {
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
  let applied: readonly AppliedMigration[] = [];
  try {
    applied = await listApplied(session);
  } catch (error) {
    if (!isMissingRelation(error)) throw error;
  }
  const version = applied.at(-1)?.version ?? 0;
  if (missingMigrations(storeName, migrations, applied).length > 0) {
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

function listApplied(db: Runner): Promise<AppliedMigration[]> {
  return db.run("listMigrations", "select version, name from holdfast.migrations order by version");
}

function foreignSchema(cause: unknown): unknown {
  if (!isTaken(cause)) return cause;
  const what = cause instanceof Error ? cause.message : String(cause);
  const message = `The schema "holdfast" of the database is not Holdfast's alone: ${what}.`;
  const hint = "Name another database, or rename what lies in that schema.";
  return new AppError("invalid_request", message, { hint, cause });
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
