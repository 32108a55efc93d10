import type { EnqueueResult, EnqueueRow, Uniqueness } from "../store.ts";
import { numberArray, textArray } from "./arrays.ts";
import type { Runner, Transaction } from "./session.ts";

// Names by which an enqueue can be repeated. Two calls with one name meet at its primary key: the later waits for the earlier
// one's transaction and then sees what it decided.

/** A name with what it stands for. */
interface Name {
  readonly namespace: string;
  readonly kind: "key" | "request" | "signal";
  readonly definition: string;
  readonly name: string;
  readonly hash: string;
  readonly runId: string;
  readonly retentionMs: number;
}

interface StoredName {
  readonly namespace: string;
  readonly kind: "key" | "request" | "signal";
  readonly definition: string;
  readonly name: string;
  readonly hash: string;
  readonly run_id: string;
}

/** Inserts names that nobody holds; answers those. In one order for all, so that two calls never wait for each other. */
export function takeNames(db: Runner, names: readonly Name[]): Promise<StoredName[]> {
  return db.run<StoredName>("takeNames", takeText, [
    ...nameParameters(names),
    textArray(names.map((name) => name.hash)),
    textArray(names.map((name) => name.runId)),
    numberArray(names.map((name) => Math.ceil(name.retentionMs))),
  ]);
}

const takeText = `
  insert into holdfast.names (namespace, kind, definition, name, hash, run_id, retained_until)
  select n.namespace, n.kind, n.definition, n.name, n.hash, n.run_id, holdfast.clock_ms() + n.retention
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[])
    with ordinality n(namespace, kind, definition, name, hash, run_id, retention, place)
  order by n.namespace collate "C", n.kind collate "C", n.definition collate "C", n.name collate "C", n.place
  on conflict do nothing
  returning namespace, kind, definition, name, hash, run_id`;

/** What stands under names, and keeps it standing until the transaction ends. */
export function findNames(db: Runner, names: readonly Name[]): Promise<StoredName[]> {
  return db.run<StoredName>("findNames", findText, nameParameters(names));
}

const findText = `
  select k.namespace, k.kind, k.definition, k.name, k.hash, k.run_id
  from unnest($1::text[], $2::text[], $3::text[], $4::text[]) n(namespace, kind, definition, name)
  join holdfast.names k on k.namespace = n.namespace and k.kind = n.kind and k.definition = n.definition
    and k.name = n.name
  for key share of k`;

/** Gives names back. */
export function dropNames(db: Runner, names: readonly Name[]): Promise<unknown> {
  return db.run("dropNames", dropText, nameParameters(names));
}

const dropText = `
  delete from holdfast.names k using unnest($1::text[], $2::text[], $3::text[], $4::text[])
    n(namespace, kind, definition, name)
  where k.namespace = n.namespace and k.kind = n.kind and k.definition = n.definition and k.name = n.name`;

/** Holds runs in place until the transaction ends; those that are being pruned are waited for. */
export function holdRuns(db: Runner, ids: readonly string[]): Promise<unknown> {
  return db.run("holdRuns", "select 1 from holdfast.runs r where r.id = any ($1::text[]) for key share of r", [
    textArray(ids),
  ]);
}

/** Notes of names whose run is not there that nothing but their retention keeps them. */
export function noteGone(db: Runner, names: readonly Name[]): Promise<unknown> {
  return db.run("noteGone", goneText, nameParameters(names));
}

const goneText = `
  update holdfast.names k set run_gone = true
  from unnest($1::text[], $2::text[], $3::text[], $4::text[]) n(namespace, kind, definition, name)
  where k.namespace = n.namespace and k.kind = n.kind and k.definition = n.definition and k.name = n.name
    and not exists (select 1 from holdfast.runs r where r.id = k.run_id)`;

/** Which of these runs exist. */
export function findKnownIds(db: Runner, ids: readonly string[]): Promise<{ id: string }[]> {
  return db.run("findKnownIds", knownText, [textArray(ids)]);
}

const knownText = `select r.id from unnest($1::text[]) w(id) join holdfast.runs r on r.id = w.id`;

/** Whether no row of definitions makes the manifest of a given run current. Not of a run that is there: it was when it came. */
export const isOutdatedText = (given: string): string => `
  not exists (select 1 from holdfast.definitions d
    where d.namespace = ${given}.namespace and d.id = ${given}.definition and d.manifest_hash = ${given}.manifest_hash)
  and not exists (select 1 from holdfast.runs r where r.id = ${given}.id)`;

/** Which of these runs are outdated. */
export function findOutdated(db: Runner, rows: readonly EnqueueRow[]): Promise<{ id: string }[]> {
  const runs = rows.flatMap(({ run, onlyIfCurrent }) => (onlyIfCurrent === true ? run : []));
  if (runs.length === 0) return Promise.resolve([]);
  return db.run("findOutdated", outdatedText, [
    textArray(runs.map((run) => run.id)),
    textArray(runs.map((run) => run.namespace)),
    textArray(runs.map((run) => run.definition)),
    textArray(runs.map((run) => run.manifestHash)),
  ]);
}

const outdatedText = `
  select n.id from unnest($1::text[], $2::text[], $3::text[], $4::text[]) n(id, namespace, definition, manifest_hash)
  where ${isOutdatedText("n")}`;

/** What a row's names decide before anything is inserted; undefined: it may be created. */
export type Verdict = Exclude<EnqueueResult, { readonly outcome: "created" }> | undefined;

/**
 * Judges rows one after the other by their request, then their key, then their id. Afterwards exactly the names of rows without
 * a verdict are held for them, and the requests that a key has answered for its run, besides those that were held before.
 */
export async function judgeNames(transaction: Transaction, rows: readonly EnqueueRow[]): Promise<Verdict[]> {
  const names = rows.flatMap((row) => namesOf(row));
  const [taken, standing, known, late] = await Promise.all([
    takeNames(transaction, names),
    findNames(transaction, names),
    findKnownIds(
      transaction,
      rows.map((row) => row.run.id),
    ),
    findOutdated(transaction, rows),
  ]);
  const outdated = new Set(late.map((run) => run.id));
  const ours = new Set(taken.map(placeOf));
  const held = new Map<string, { readonly hash: string; readonly runId: string }>();
  for (const name of standing) {
    if (!ours.has(placeOf(name))) held.set(placeOf(name), { hash: name.hash, runId: name.run_id });
  }
  const ids = new Set(known.map((run) => run.id));
  const granted: Name[] = [];
  const answered: Name[] = [];
  const grant = (name: Name) => {
    granted.push(name);
    held.set(placeOf(name), { hash: name.hash, runId: name.runId });
  };
  const verdicts = rows.map((row): Verdict => {
    const verdict = judge(row, held, ids);
    const request = answeredRequest(row, verdict, held);
    if (request !== undefined) {
      answered.push(request);
      grant(request);
    }
    if (verdict !== undefined) return verdict;
    if (row.onlyIfCurrent === true && outdated.has(row.run.id)) return { outcome: "outdated" };
    ids.add(row.run.id);
    for (const name of namesOf(row)) grant(name);
    return undefined;
  });
  // What stood in a name's way may have been pruned before it was looked at: then the name is free, and nobody has taken it.
  if (granted.some((name) => !ours.has(placeOf(name)))) {
    const placed = names.filter((name) => ours.has(placeOf(name)));
    await dropNames(transaction, placed);
    return judgeNames(transaction, rows);
  }
  await correct(transaction, taken, names, granted);
  if (answered.length > 0) await keepAnswered(transaction, answered);
  return verdicts;
}

/** The request of a row that its key has answered: from now on it answers, too, and that run. */
function answeredRequest(
  { run, key, request }: EnqueueRow,
  verdict: Verdict,
  held: ReadonlyMap<string, unknown>,
): Name | undefined {
  if (verdict?.outcome !== "existing" || key === null || request === null) return undefined;
  const name = requestName(run.namespace, request, verdict.runId);
  if (held.has(placeOf(name)) || !held.has(placeOf(keyName(run.namespace, run.definition, key, run.id))))
    return undefined;
  return name;
}

/** Their runs may be gone, or be going at this moment: then nobody would tell these names so later. */
async function keepAnswered(transaction: Transaction, names: readonly Name[]): Promise<void> {
  await holdRuns(
    transaction,
    names.map(({ runId }) => runId),
  );
  await noteGone(transaction, names);
}

/** What was taken for the first row that mentions a name may belong to a later row, or to none. */
async function correct(
  transaction: Transaction,
  taken: readonly StoredName[],
  names: readonly Name[],
  granted: readonly Name[],
): Promise<void> {
  const right = new Map(granted.map((name) => [placeOf(name), name]));
  const wrong = taken.filter((name) => {
    const owner = right.get(placeOf(name));
    return owner === undefined || owner.runId !== name.run_id || owner.hash !== name.hash;
  });
  if (wrong.length === 0) return;
  const places = new Set(wrong.map(placeOf));
  await dropNames(
    transaction,
    names.filter((name) => places.has(placeOf(name))),
  );
  const again = granted.filter((name) => places.has(placeOf(name)));
  if (again.length > 0) await takeNames(transaction, again);
}

function judge(
  { run, key, request }: EnqueueRow,
  held: ReadonlyMap<string, { readonly hash: string; readonly runId: string }>,
  ids: ReadonlySet<string>,
): Verdict {
  const byRequest = request === null ? undefined : held.get(placeOf(requestName(run.namespace, request, run.id)));
  if (byRequest !== undefined) {
    return { outcome: byRequest.hash === request?.hash ? "existing" : "request_conflict", runId: byRequest.runId };
  }
  const byKey = key === null ? undefined : held.get(placeOf(keyName(run.namespace, run.definition, key, run.id)));
  if (byKey !== undefined) {
    return { outcome: byKey.hash === key?.hash ? "existing" : "key_conflict", runId: byKey.runId };
  }
  return ids.has(run.id) ? { outcome: "existing", runId: run.id } : undefined;
}

function namesOf({ run, key, request }: EnqueueRow): Name[] {
  const names: Name[] = [];
  if (request !== null) names.push(requestName(run.namespace, request, run.id));
  if (key !== null) names.push(keyName(run.namespace, run.definition, key, run.id));
  return names;
}

function keyName(namespace: string, definition: string, { key, ...rest }: Uniqueness, runId: string): Name {
  return { namespace, kind: "key", definition, name: key, runId, ...rest };
}

function requestName(namespace: string, { key, ...rest }: Uniqueness, runId: string): Name {
  return { namespace, kind: "request", definition: "", name: key, runId, ...rest };
}

function placeOf({
  namespace,
  kind,
  definition,
  name,
}: Pick<Name, "namespace" | "kind" | "definition" | "name">): string {
  return JSON.stringify([namespace, kind, definition, name]);
}

function nameParameters(names: readonly Name[]): string[] {
  return [
    textArray(names.map((name) => name.namespace)),
    textArray(names.map((name) => name.kind)),
    textArray(names.map((name) => name.definition)),
    textArray(names.map((name) => name.name)),
  ];
}
