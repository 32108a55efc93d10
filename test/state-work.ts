import type { StateOp } from "@holdfast/protocol";

/** What a step does in each scope: all of it or nothing. */
export function stepOps(runId: string, number: number): StateOp[] {
  const scopes = [
    { kind: "run", id: runId },
    { kind: "task", id: "load" },
    { kind: "asset", id: "orders" },
  ] as const;
  return scopes.flatMap((scope): StateOp[] => [
    { op: "increment", scope, key: "count", by: 1 },
    { op: "set", scope, key: `step/${runId}/${number}`, value: number },
    { op: "delete", scope, key: `step/${runId}/${number - 1}` },
  ]);
}
