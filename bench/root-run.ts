import { type NewRun, rootId } from "../server/src/core/index.ts";

/** A root with nothing special about it, but for `fields`, as a store takes it. `tail`: nine bytes that no other run has. */
export function rootRun(tail: Uint8Array, fields: Partial<NewRun> & Pick<NewRun, "namespace" | "definition">): NewRun {
  const id = rootId(Date.now(), tail);
  return {
    ...{ id, rootId: id, parentId: null, kind: "task", workflow: null, manifestHash: "none", name: fields.definition },
    ...{ item: null, itemIndex: null, key: null, depth: 0, queue: "default", priority: 0, rule: "all_success" },
    ...{ limits: [], input: null, startAfter: null, expiresAfterMs: null, blockedBy: 0 },
    ...fields,
  };
}
