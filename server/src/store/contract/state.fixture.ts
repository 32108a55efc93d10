import assert from "node:assert/strict";
import type { Json, StateOp, StateScope } from "@holdfast/protocol";
import type { RunRow, StateResult, StateTransaction, StateWriter } from "../../core/index.ts";
import type { StateValue } from "../state-verbs.ts";
import { namespace, plain, type World } from "./world.contract.ts";

// How cases say what they do to state.

export const task: StateScope = { kind: "task", id: "load" };
export const orders: StateScope = { kind: "asset", id: "orders" };

export function ofRun({ id }: Pick<RunRow, "id">): StateScope {
  return { kind: "run", id };
}

/** Ops in one scope. */
export function opsIn(scope: StateScope) {
  type Of<Op extends StateOp["op"]> = Omit<Extract<StateOp, { op: Op }>, "op" | "scope" | "key" | "value" | "by">;
  return {
    set: (key: string, value: Json, more: Of<"set"> = {}): StateOp => ({ op: "set", scope, key, value, ...more }),
    delete: (key: string, more: Of<"delete"> = {}): StateOp => ({ op: "delete", scope, key, ...more }),
    clear: (prefix?: string): StateOp => ({ op: "clear", scope, ...(prefix === undefined ? {} : { prefix }) }),
    increment: (key: string, by = 1, more: Of<"increment"> = {}): StateOp => ({
      ...{ op: "increment", scope, key, by },
      ...more,
    }),
    append: (key: string, value: Json, more: Of<"append"> = {}): StateOp => ({
      ...{ op: "append", scope, key, value },
      ...more,
    }),
    setIfMax: (key: string, value: number | string, more: Of<"setIfMax"> = {}): StateOp => ({
      ...{ op: "setIfMax", scope, key, value },
      ...more,
    }),
  };
}

export const inTask = opsIn(task);

export function transaction(ops: readonly StateOp[], more: Partial<StateTransaction> = {}): StateTransaction {
  return { namespace, ops, writer: null, ...more };
}

/** The activation that `run` is now, writing under a key. */
export function writerOf(run: Pick<RunRow, "id" | "epoch" | "generation">, key: string): StateWriter {
  const { id: runId, epoch, generation } = run;
  return { runId, epoch, generation, key };
}

/** What a person's transaction answers. */
export async function change(world: World, ...ops: StateOp[]): Promise<StateResult> {
  return transact(world, transaction(ops));
}

/** What a transaction of a body answers. */
export async function changeAs(
  world: World,
  run: Pick<RunRow, "id" | "epoch" | "generation">,
  key: string,
  ...ops: StateOp[]
): Promise<StateResult> {
  return transact(world, transaction(ops, { writer: writerOf(run, key) }));
}

export async function transact(world: World, row: StateTransaction): Promise<StateResult> {
  const [result] = await world.store.transactState({ rows: [row] });
  assert.ok(result);
  return plain(result);
}

export function applied(...results: object[]): object {
  return { outcome: "applied", results };
}

/** The value under a key; undefined: none is there. */
export async function readValue(world: World, scope: StateScope, key: string): Promise<StateValue | undefined> {
  const [reading] = await world.store.readState({ rows: [{ namespace, scope, keys: [key] }] });
  assert.equal(reading?.outcome, "read");
  return reading.values[0];
}

/** What a scope holds, as `[key, value, version]`. */
export async function contentOf(world: World, scope: StateScope): Promise<[string, Json, number][]> {
  const page = await world.store.listState({ namespace, scope, limitRows: 20_000 });
  assert.equal(page.outcome, "read");
  return page.values.map(({ key, value, version }) => [key, value, version]);
}

/** What a scope counts, which must be what it holds unless something has expired. */
export async function useOf(world: World, scope: StateScope): Promise<{ keys: number; bytes: number }> {
  const page = await world.store.listState({ namespace, scope, limitRows: 1 });
  assert.equal(page.outcome, "read");
  const { keys, bytes } = page.use;
  return { keys, bytes };
}
