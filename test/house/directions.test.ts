import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { cruise, type ICruiseOptions, type ICruiseResult, type IFlattenedRuleSet } from "dependency-cruiser";
import { root } from "./tree.ts";

type Rules = IFlattenedRuleSet & { readonly options: ICruiseOptions };
const rules = createRequire(import.meta.url)(join(root, ".dependency-cruiser.cjs")) as Rules;

/** A file, what it imports, and the rule that must name it; `null` where the import is right. A cycle is named once. */
const plants: readonly (readonly [file: string, imports: string, rule: string | null])[] = [
  ["protocol/src/index.ts", "../../sdk/src/index.ts", "direction-protocol"],
  ["protocol/src/a.ts", "node:fs", "protocol-imports-zod-only"],
  ["sdk/src/index.ts", "./nowhere.ts", "every-import-resolves"],
  ["sdk/src/a.ts", "../../server/src/core/a.ts", "direction-sdk"],
  ["sdk/src/c.ts", "../../protocol/src/a.ts", null],
  ["server/src/core/a.ts", "../clock.ts", "direction-core"],
  ["server/src/core/b.ts", "node:crypto", "core-touches-nothing"],
  ["server/src/core/c.ts", "../../../protocol/src/a.ts", null],
  ["server/src/clock.ts", "./core/c.ts", "direction-leaves"],
  ["server/src/store/a.ts", "../operations/c.ts", "direction-store"],
  ["server/src/store/c.ts", "../core/c.ts", null],
  ["server/src/operations/a.ts", "../engine/c.ts", "direction-operations"],
  ["server/src/operations/c.ts", "../store/c.ts", null],
  ["server/src/engine/a.ts", "../api/c.ts", "direction-engine"],
  ["server/src/engine/c.ts", "../placements/c.ts", null],
  ["server/src/placements/a.ts", "../store/c.ts", "direction-placements"],
  ["server/src/placements/b.ts", "../../../sdk/src/c.ts", "direction-placements"],
  ["server/src/placements/c.ts", "../core/c.ts", null],
  ["server/src/placements/inline/a.ts", "../../../../sdk/src/c.ts", null],
  ["server/src/api/a.ts", "../store/c.ts", "direction-api"],
  ["server/src/api/c.ts", "../operations/c.ts", null],
  ["server/src/cli/a.ts", "../store/c.ts", "direction-cli"],
  ["server/src/trackers/a.ts", "../store/c.ts", "direction-trackers"],
  ["server/src/trackers/b.ts", "../../../sdk/src/c.ts", "direction-trackers"],
  ["server/src/trackers/c.ts", "../guard.ts", null],
  ["server/src/trackers/load-modules.ts", "../../../sdk/src/c.ts", null],
  ["server/src/trackers/wire.ts", "./c.ts", "the-client-loads-no-tracker"],
  ["server/src/trackers/client.ts", "./wire.ts", null],
  ["server/src/main/a.ts", "../trackers/c.ts", "only-the-tracker-process-loads-trackers"],
  ["server/src/main/c.ts", "../trackers/client.ts", null],
  ["server/src/guard.ts", "../../protocol/src/a.ts", null],
  ["server/src/elsewhere/a.ts", "../core/c.ts", "known-part-of-the-server"],
  ["server/src/engine/d.ts", "./e.ts", "no-cycles"],
  ["server/src/engine/e.ts", "./d.ts", null],
  ["server/src/main.ts", "./store/a.test.ts", "product-does-not-import-tests"],
  ["server/src/store/a.test.ts", "../engine/c.ts", null],
];

test("the tool that checks import directions sees each kind of wrong import, and lets the right ones pass", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "hf-directions-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [file, imports] of plants) {
    mkdirSync(join(folder, dirname(file)), { recursive: true });
    writeFileSync(join(folder, file), `import ${JSON.stringify(imports)};\n`);
  }
  writeFileSync(join(folder, "package.json"), "{}");
  const { options, ...ruleSet } = rules;
  const { tsConfig: _, ...others } = options;
  const { output } = await cruise(["protocol", "sdk", "server"], {
    ...others,
    ruleSet,
    validate: true,
    baseDir: folder,
  });
  const { violations } = (output as ICruiseResult).summary;
  const found = violations.map(({ from, rule }) => `${from}: ${rule.name}`).toSorted();
  const wanted = plants.flatMap(([file, , rule]) => (rule === null ? [] : [`${file}: ${rule}`])).toSorted();
  assert.deepEqual(found, wanted);
});
