import assert from "node:assert/strict";
import { type ErrorCode, isAppError, type Json } from "@holdfast/protocol";
import { childId, type Finish, type NewRun, type RunRow, rootId } from "../../core/index.ts";
import type { StoreAnswer } from "../remote/wire.ts";
import type { EnqueueRow, StoreVerb } from "../store.ts";
import { Database } from "./database.ts";

// For tests: the one writer of a file, asked in this thread at moments that the test names.

export const start = 1_800_000_000_000;
let lastId = 0;

export function open(path: string, options: { maxPages?: number; now?: number; migrate?: boolean } = {}): Database {
  const { now = start, migrate = true, maxPages } = options;
  return new Database({ path, migrate, maxPages }, now);
}

export function ask(database: Database, verb: StoreVerb, args?: unknown, now = start): StoreAnswer {
  const [answer] = database.carryOut([{ id: 1, verb, args }], now).answers;
  assert.ok(answer);
  return answer;
}

/** The result of a verb that is to succeed. */
export function call<T>(database: Database, verb: StoreVerb, args?: unknown, now = start): T {
  const { result, error } = ask(database, verb, args, now);
  assert.equal(error, undefined);
  return result as T;
}

export function newRun(input: Json, fields: Partial<NewRun> = {}): NewRun {
  lastId += 1;
  const id = rootId(start, new TextEncoder().encode(`${String(lastId).padStart(8, "0")}.`));
  const links = { rootId: id, parentId: null, workflow: null, blockedBy: 0, depth: 0, item: null, itemIndex: null };
  const code = { kind: "task", definition: "ship", manifestHash: "5f2a", name: "ship", rule: "all_success" } as const;
  const line = { queue: "default", priority: 0, limits: [], startAfter: null, expiresAfterMs: null, key: null };
  return { id, namespace: "shop", input, ...links, ...code, ...line, ...fields };
}

export function enqueueing(input: Json = 1): { rows: EnqueueRow[] } {
  return { rows: [{ run: newRun(input), key: null, request: null, claimFor: null }] };
}

export function joinNode(database: Database, id: string, now = start): void {
  call(database, "joinMember", { id, kind: "node", name: id, namespace: "shop", serves: null, leaseMs: 15_000 }, now);
}

export function success({ id, epoch }: RunRow): Finish {
  const next = { to: "ended", status: "succeeded", outcome: "succeeded", output: "done" } as const;
  return { runId: id, epoch, ranMs: 1, next };
}

export const claiming = { memberId: "m", namespace: "shop", queues: null, limitRows: 10 };

export function refused(code: ErrorCode, work: () => unknown): void {
  assert.throws(work, (error) => isAppError(error, code));
}

/** A workflow whose children `a` and `b` come before `c`; `a` is claimed. */
export function fanIn(database: Database): { parent: RunRow; a: RunRow } {
  call(database, "enqueueRuns", enqueueing());
  const [parent] = call<RunRow[]>(database, "claimRuns", claiming);
  assert.ok(parent);
  const child = (name: string, blockedBy: number) => {
    const id = childId(parent.id, new TextEncoder().encode(`${name}${parent.id.slice(-8)}`));
    return newRun(name, { id, rootId: parent.id, parentId: parent.id, name, blockedBy, depth: 1 });
  };
  const [a, b, c] = [child("a", 0), child("b", 1), child("c", 1)];
  const edges = [b, c].map(({ id }) => ({ upstream: a.id, downstream: id }));
  const expansion = { runId: parent.id, epoch: parent.epoch, ranMs: 1, input: 1, children: [a, b, c], edges };
  call(database, "expandRuns", { rows: [expansion] });
  const [claimed] = call<RunRow[]>(database, "claimRuns", claiming);
  assert.ok(claimed);
  return { parent, a: claimed };
}
