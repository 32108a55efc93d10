import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { carryOut } from "../fixtures/recording.ts";
import { ProcessPlacement } from "./process-placement.ts";

// Real processes. Faults to catch: a warm process that goes on with code that is no longer on disk, whatever part of it was
// changed and however; and one that is thrown away although nothing was.

const root = mkdtempSync(join(tmpdir(), "holdfast-code-"));
const placement = new ProcessPlacement({ projectRoot: root, concurrency: 2, spareChildren: 1 });
after(async () => {
  await placement.close();
  rmSync(root, { recursive: true });
});

function write(path: string, text: string): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

const entry = (mark: string) => `
  import { task } from "holdfast";
  import { helper } from "./lib/helper";
  import { packed } from "packed";
  import settings from "./settings.json";
  import { aliased } from "~/aliased";
  export const said = task({ id: "said" }, async () => {
    const { late } = await import("./late.ts");
    const marks = ["${mark}", helper, packed, settings.mark, aliased, late];
    return { pid: process.pid, marks };
  });`;

const tsconfig = (folder: string) => JSON.stringify({ compilerOptions: { paths: { "~/*": [`./${folder}/*`] } } });

write("entry.ts", entry("entry 1"));
write("lib/helper.ts", `export { helper } from "./deep.js";`);
write("lib/deep.ts", `export const helper = "deep 1";`);
write("settings.json", `{ "mark": "settings 1" }`);
write("one/aliased.ts", `export const aliased = "aliased 1";`);
write("two/aliased.ts", `export const aliased = "aliased 2";`);
write("late.ts", `export const late = "late 1";`);
write("tsconfig.json", tsconfig("one"));
write(
  "node_modules/packed/package.json",
  `{ "name": "packed", "version": "1.0.0", "type": "module", "main": "index.js" }`,
);
write("node_modules/packed/index.js", `export const packed = "packed 1";`);

async function said(): Promise<{ readonly pid: number; readonly marks: readonly string[] }> {
  const { said } = await carryOut(placement, {}, { module: "entry.ts", definition: "said" });
  return said.output as unknown as { pid: number; marks: string[] };
}

test("a process is used again while all of its code is as it was", async () => {
  const first = await said();
  assert.deepEqual(first.marks, ["entry 1", "deep 1", "packed 1", "settings 1", "aliased 1", "late 1"]);
  assert.deepEqual(await said(), first);
  assert.deepEqual(await said(), first);
});

const changes: Readonly<Record<string, () => void>> = {
  "entry 2": () => write("entry.ts", entry("entry 2")),
  "deep 2": () => write("lib/deep.ts", `export const helper = "deep 2";`),
  "settings 2": () => write("settings.json", `{ "mark": "settings 2" }`),
  "late 2": () => write("late.ts", `export const late = "late 2";`),
  "aliased 2": () => write("tsconfig.json", tsconfig("two")),
  "packed 2": () => {
    // As an installer does it.
    write(
      "node_modules/.new/package.json",
      `{ "name": "packed", "version": "2.0.0", "type": "module", "main": "index.js" }`,
    );
    write("node_modules/.new/index.js", `export const packed = "packed 2";`);
    rmSync(join(root, "node_modules/packed"), { recursive: true });
    renameSync(join(root, "node_modules/.new"), join(root, "node_modules/packed"));
  },
};

for (const [mark, change] of Object.entries(changes)) {
  test(`the next activation runs what is on disk: ${mark}`, async () => {
    const before = await said();
    change();
    const now = await said();
    assert.ok(now.marks.includes(mark), `${now.marks}`);
    assert.notEqual(now.pid, before.pid);
    assert.deepEqual(await said(), now, "and is kept again");
  });
}

test("a file that goes away and comes back is another one", async () => {
  const before = await said();
  renameSync(join(root, "lib/deep.ts"), join(root, "lib/gone.ts"));
  const { last } = await carryOut(placement, {}, { module: "entry.ts", definition: "said" });
  assert.match(JSON.stringify(last), /run\.fail.*deep/);
  write("lib/deep.ts", `export const helper = "deep 3";`);
  const now = await said();
  assert.ok(now.marks.includes("deep 3"));
  assert.notEqual(now.pid, before.pid);
});
