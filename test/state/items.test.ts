// TS-27: items of a map and their state × TypeScript and Python, on a whole node. Faults to catch: state that goes by the place of an item and
// not by its identity, so that it is another's once the list has changed; state that a retry, or a clear that resumes, loses or mixes up.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import type { Json } from "@holdfast/protocol";
import { PythonNode } from "../python-node.fixture.ts";

const text = (name: string) => readFileSync(new URL(name, import.meta.url), "utf8");

describe("state of mapped items", { timeout: 120_000 }, () => {
  let node: PythonNode;
  before(async () => {
    node = await PythonNode.start({
      module: text("items.py"),
      functions: { Python: "items", "Python-item": "item" },
      typescript: { module: text("items.ts"), exports: { TypeScript: "items", "TypeScript-item": "item" } },
    });
  });
  after(() => node.stop());

  for (const side of ["TypeScript", "Python"] as const) {
    it(`${side}: items keep their own state by their identity, whatever comes before them or is gone, and when they resume`, async () => {
      const { runs, history, restarts } = node.services;
      const start = async (input: Json) => (await runs.start({ definition: side, input })).run.id;
      const ended = async (id: string) => {
        const { status, output } = await history.result(id, 60_000);
        return [status, output];
      };
      const first = await start({ names: ["b", "c"], fails: "c" });
      assert.deepEqual(await ended(first), ["failed", null]);
      await restarts.retry(first, { fromFailed: true });
      const again = [null, null];
      assert.deepEqual(
        await ended(first),
        ["succeeded", [again, ["c", "c"]]],
        "the item that failed goes on with its own",
      );
      const b = (await node.services.store.listTree({ rootId: first, limitRows: 10 })).find(({ item }) => item === "b");
      await restarts.clear(b?.id ?? "", { fresh: false });
      assert.deepEqual(await ended(first), [
        "succeeded",
        [
          ["b", "b"],
          ["c", "c"],
        ],
      ]);
      for (const [names, known] of [
        [
          ["a", "c", "b"],
          [null, "c", "b"],
        ],
        [
          ["b", "d", "a"],
          ["b", null, "a"],
        ],
      ] as const) {
        const answers = known.map((name) => [null, name]);
        assert.deepEqual(await ended(await start({ names: [...names] })), ["succeeded", answers]);
      }
      const { values } = await node.services.state.list({ kind: "task", id: `${side}-item` }, {});
      assert.deepEqual(
        values.map(({ key, value }) => [key, value]),
        ["a", "b", "c", "d"].map((name) => [name, name]),
      );
    });
  }
});
