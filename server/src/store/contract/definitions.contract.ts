import assert from "node:assert/strict";
import type { Manifest } from "@holdfast/protocol";
import type { EnqueueRow, ManifestRow } from "../store.ts";
import { type Contract, namespace, plain, refused } from "./world.contract.ts";

/** What stores promise about definitions. */
export function definitionsContract(contract: Contract): void {
  contract("an applied manifest is the current one of its definition", async ({ store }) => {
    const { now } = await store.describe();
    await store.applyManifests({ namespace, manifests: [manifestRow("ship", "aa")] });
    const row = await store.findDefinition({ namespace, id: "ship" });
    assert.deepEqual(
      { id: row?.id, kind: row?.kind, hash: row?.manifestHash },
      { id: "ship", kind: "workflow", hash: "aa" },
    );
    assert.ok((row?.appliedAt ?? 0) >= now);
  });

  contract("a manifest is found by its hash as it was given", async ({ store }) => {
    const given = manifestRow("ship", "aa", "Grüße, 東京 \u{1F6A2}");
    await store.applyManifests({ namespace, manifests: [given] });
    assert.deepEqual(plain(await store.findManifest({ hash: "aa" })), given.manifest);
    assert.equal(await store.findManifest({ hash: "bb" }), undefined);
  });

  contract("applying answers the definitions that changed, in the order of the call", async ({ store }) => {
    const apply = (...manifests: ManifestRow[]) => store.applyManifests({ namespace, manifests });
    assert.deepEqual(await apply(manifestRow("z", "z1"), manifestRow("a", "a1")), { changed: ["z", "a"] });
    assert.deepEqual(await apply(manifestRow("z", "z1"), manifestRow("a", "a2")), { changed: ["a"] });
    assert.deepEqual(await apply(manifestRow("z", "z1"), manifestRow("a", "a2")), { changed: [] });
  });

  contract("an unchanged definition keeps the time of its application", async (world) => {
    const { store } = world;
    await store.applyManifests({ namespace, manifests: [manifestRow("ship", "aa")] });
    const before = await store.findDefinition({ namespace, id: "ship" });
    await world.pass(20);
    await store.applyManifests({ namespace, manifests: [manifestRow("ship", "aa")] });
    assert.deepEqual(await store.findDefinition({ namespace, id: "ship" }), before);
    await store.applyManifests({ namespace, manifests: [manifestRow("ship", "bb")] });
    const after = await store.findDefinition({ namespace, id: "ship" });
    assert.ok((after?.appliedAt ?? 0) > (before?.appliedAt ?? 0));
  });

  contract(
    "an older manifest stays for the runs that are pinned to it, and can become current again",
    async ({ store }) => {
      const older = manifestRow("ship", "aa");
      await store.applyManifests({ namespace, manifests: [older] });
      await store.applyManifests({ namespace, manifests: [manifestRow("ship", "bb")] });
      assert.deepEqual(plain(await store.findManifest({ hash: "aa" })), older.manifest);
      assert.deepEqual(await store.applyManifests({ namespace, manifests: [older] }), { changed: ["ship"] });
      assert.equal((await store.findDefinition({ namespace, id: "ship" }))?.manifestHash, "aa");
    },
  );

  contract("each namespace has definitions of its own", async ({ store }) => {
    await store.applyManifests({ namespace: "one", manifests: [manifestRow("ship", "aa")] });
    await store.applyManifests({ namespace: "two", manifests: [manifestRow("ship", "bb")] });
    assert.equal((await store.findDefinition({ namespace: "one", id: "ship" }))?.manifestHash, "aa");
    assert.equal((await store.findDefinition({ namespace: "two", id: "ship" }))?.manifestHash, "bb");
    assert.equal(await store.findDefinition({ namespace: "three", id: "ship" }), undefined);
    assert.deepEqual(await store.listDefinitions({ namespace: "three" }), []);
  });

  contract("definitions are listed in the order of their ids, by code unit", async ({ store }) => {
    const ids = ["b", "B", "a_b", "a.b", "a/b", "a", "Z"];
    await store.applyManifests({ namespace, manifests: ids.map((id, index) => manifestRow(id, `h${index}`)) });
    const listed = await store.listDefinitions({ namespace });
    assert.deepEqual(
      listed.map(({ id }) => id),
      [...ids].sort(),
    );
  });

  // The fault: a run that is there already, and whose caller asks again since the answer was lost, is said to be outdated.
  contract(
    "a run that wants its manifest to be current is made only then, and what came before stands",
    async (world) => {
      const { store } = world;
      const onlyIfCurrent = true;
      const enqueue = (...rows: EnqueueRow[]) => store.enqueueRuns({ rows });
      const outcomes = async (...rows: EnqueueRow[]) => (await enqueue(...rows)).map(({ outcome }) => outcome);
      const apply = (hash: string) => store.applyManifests({ namespace, manifests: [manifestRow("ship", hash)] });
      const row = (manifestHash: string, key?: string) => {
        const uniqueness = key === undefined ? null : { key, hash: "h", retentionMs: 60_000 };
        return world.row({ definition: "ship", manifestHash }, { onlyIfCurrent, key: uniqueness });
      };
      assert.deepEqual(await outcomes(row("aa")), ["outdated"]);
      await apply("aa");
      const [plainRow, keyed] = [row("aa"), row("aa", "order-1")];
      assert.deepEqual(await outcomes(plainRow, row("bb"), row("aa")), ["created", "outdated", "created"]);
      assert.deepEqual(await outcomes(keyed, row("bb", "order-2")), ["created", "outdated"]);
      await apply("bb");
      const old = row("aa");
      assert.deepEqual(await outcomes(plainRow, old), ["existing", "outdated"]);
      assert.deepEqual(await outcomes(row("aa", "order-1"), row("aa", "order-2")), ["existing", "outdated"]);
      assert.equal(await store.findRun({ id: old.run.id }), undefined);
      assert.deepEqual(await outcomes({ ...old, onlyIfCurrent: false }, row("bb", "order-2")), ["created", "created"]);
    },
  );

  contract("a manifest whose text cannot be kept is refused, and the others of its call with it", async ({ store }) => {
    const manifests = [manifestRow("good", "aa"), manifestRow("bad", "bb", "a\u0000b")];
    await refused(store.applyManifests({ namespace, manifests }), "invalid_request");
    assert.equal(await store.findDefinition({ namespace, id: "good" }), undefined);
  });
}

function manifestRow(id: string, hash: string, description = "Ships an order."): ManifestRow {
  const source = { module: "shop.ts", export: "ship" };
  const spec = { kind: "workflow", id, description, source, priority: 0, nodes: [], output: { const: null } } as const;
  const manifest: Manifest = { format: 1, root: id, definitions: { [id]: { ...spec, nodes: [] } }, assets: {} };
  return { id, kind: "workflow", hash, manifest };
}
