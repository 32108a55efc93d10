import type { Uniqueness } from "../store.ts";
import { type Connection, listText } from "./connection.ts";
import type { Turn } from "./turn.ts";

// Names by which calls can be repeated: keys of runs, of requests, and of signals of one run.

export interface KeyScope {
  readonly namespace: string;
  readonly kind: "run" | "request" | "signal";
  readonly scope: string;
}

export function findKey(
  db: Connection,
  { namespace, kind, scope, key }: KeyScope & { key: string },
): { hash: string; runId: string } | undefined {
  return db.find(
    "SELECT hash, run_id AS runId FROM keys WHERE namespace = ? AND kind = ? AND scope = ? AND key = ?",
    namespace,
    kind,
    scope,
    key,
  );
}

export function findKeyedRuns(
  { db }: Turn,
  { namespace, key, definitions }: { namespace: string; key: string; definitions: readonly string[] },
): string[] {
  const rows = db.list<{ runId: string }>(
    `SELECT run_id AS runId FROM keys
     WHERE namespace = ? AND kind = 'run' AND scope IN (SELECT value FROM json_each(?)) AND key = ? ORDER BY scope`,
    namespace,
    listText(definitions),
    key,
  );
  return rows.map(({ runId }) => runId);
}

/** The run may be gone already: a key outlives it. */
export function insertKey(
  db: Connection,
  args: KeyScope & { uniqueness: Uniqueness; runId: string; now: number },
): void {
  const { namespace, kind, scope, uniqueness, runId, now } = args;
  db.run(
    `INSERT INTO keys (namespace, kind, scope, key, hash, run_id, expires_at, run_gone)
     VALUES (?, ?, ?, ?, ?, ?, ?, NOT EXISTS (SELECT 1 FROM runs WHERE id = ?))`,
    namespace,
    kind,
    scope,
    uniqueness.key,
    uniqueness.hash,
    runId,
    now + uniqueness.retentionMs,
    runId,
  );
}
