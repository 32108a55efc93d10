import { createHash } from "node:crypto";
import type { Json } from "@holdfast/protocol";
import { type NewRun, rootId } from "../../core/index.ts";
import type { EnqueueRow } from "../store.ts";

/** For tests: a root whose id comes from its input. */
export function rowOf(input: Json, fields: Partial<NewRun> = {}): EnqueueRow {
  const id = rootId(1_800_000_000_000, createHash("sha256").update(JSON.stringify(input)).digest());
  const links = { rootId: id, parentId: null, workflow: null, blockedBy: 0, depth: 0, item: null, itemIndex: null };
  const code = { kind: "task", definition: "ship", manifestHash: "5f2a", name: "ship", rule: "all_success" } as const;
  const line = { queue: "default", priority: 0, limits: [], startAfter: null, expiresAfterMs: null, key: null };
  return {
    run: { id, namespace: "shop", input, ...links, ...code, ...line, ...fields },
    key: null,
    request: null,
    claimFor: null,
  };
}
