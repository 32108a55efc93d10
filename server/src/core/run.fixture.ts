import type { NewRun } from "./run.ts";

/** A root with nothing special about it, but for `fields`. */
export function newRun(fields: Partial<NewRun> & { readonly id: string }): NewRun {
  return {
    rootId: fields.id,
    parentId: null,
    workflow: null,
    namespace: "shop",
    kind: "task",
    definition: "ship",
    manifestHash: "5f2a",
    name: fields.id,
    item: null,
    itemIndex: null,
    key: null,
    depth: 0,
    queue: "default",
    priority: 0,
    rule: "all_success",
    limits: [],
    input: null,
    startAfter: null,
    expiresAfterMs: null,
    blockedBy: 0,
    ...fields,
  };
}
