import type { StateOp } from "@holdfast/protocol";
import type { StateObjects } from "../../server/src/operations/state-objects.ts";
import type { Store } from "../../server/src/store/store.ts";

export const scope = { kind: "task", id: "load" } as const;
export const namespace = "default";
const large = (text: string) => text.repeat(5_000);
/** What `k` may say: the last of those that were acknowledged, or the next. */
export const values = [large("a"), large("b")];

/** Sets a large value, replaces it, and sweeps. What was done before is done again. */
export async function carryOut(objects: StateObjects, store: Store): Promise<void> {
  const change = (op: StateOp) =>
    objects.transact(
      { namespace, ops: [op], writer: null },
      async (row) => (await store.transactState({ rows: [row] }))[0],
    );
  await change({ op: "set", scope, key: "k", value: values[0] ?? "" });
  await change({ op: "set", scope, key: "k", value: values[1] ?? "" });
  await objects.sweep({ limitRows: 10 });
}
