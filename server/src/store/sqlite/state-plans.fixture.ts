import type { DatabaseSync } from "node:sqlite";
import type { StateScope } from "@holdfast/protocol";
import { opsIn, transaction } from "../contract/state.fixture.ts";
import type { StoreVerb } from "../store.ts";

type Call = (verb: StoreVerb, args: unknown, now?: number) => unknown;

// State, for the tests that look at what statements visit.

/** A value in a scope of its own for each run that has ended, and as many in the scopes of tasks, none of which is over. */
export function addStateOfEndedRuns(db: DatabaseSync): void {
  const scopes: readonly [kind: string, id: string, generation: number][] = [
    ["run", "id", 1],
    ["task", "'shop/' || id", 0],
  ];
  for (const [kind, id, generation] of scopes) {
    db.exec(`INSERT INTO "values" (scope_kind, scope_id, generation, key, version, writer_run, writer_epoch, created_at, updated_at,
        expires_at, value)
      SELECT '${kind}', ${id}, ${generation}, 'k', 1, id, 1, 0, 0, 90000000, '1' FROM runs WHERE id LIKE 'old%'`);
    db.exec(`INSERT INTO state_scopes (scope_kind, scope_id, generation, keys, bytes, floor, last)
      SELECT '${kind}', ${id}, ${generation}, 1, 1, 0, 1 FROM runs WHERE id LIKE 'old%'`);
  }
}

/** Every verb of state, by a body and by people. */
export function exerciseState(call: Call, { runId, epoch }: { readonly runId: string; readonly epoch: number }): void {
  const scopes: StateScope[] = [
    { kind: "run", id: runId },
    { kind: "task", id: "load" },
  ];
  for (const scope of scopes) {
    const op = opsIn(scope);
    const ops = [op.set("k", 1, { retentionMs: 1 }), op.set("a/1", 1, { retentionMs: 1 }), op.increment("n")];
    call("transactState", {
      rows: [transaction(ops, { writer: { runId, epoch, generation: 1, key: `state ${scope.kind}` } })],
    });
    call("transactState", { rows: [transaction([op.delete("n"), op.clear("a/"), op.set("n", 1)])] });
    call("readState", { rows: [{ namespace: "shop", scope, keys: ["k", "x"] }] });
    const page = { namespace: "shop", scope, limitRows: 5 };
    for (const more of [{}, { prefix: "k" }, { after: "a" }, { prefix: "k", after: "k" }])
      call("listState", { ...page, ...more });
  }
  call("sweepState", { limitRows: 5, dryRun: true }, 2_000);
  call("sweepState", { limitRows: 5 }, 2_000);
  call("sweepState", { limitRows: 5 }, 2_000);
}
