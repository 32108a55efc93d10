// Faults to catch: a YAML manifest that differs from the TypeScript form in anything but where the code is; tasks in an order
// in which an upstream stands behind its dependents; retries taken for attempts; a type's JSON Schema of our own making.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { canonicalText, type Manifest } from "@holdfast/protocol";
import { compileProject } from "../compile.ts";

const root = mkdtempSync(join(tmpdir(), "holdfast-yaml-"));
after(() => rmSync(root, { recursive: true, force: true }));

async function manifestsOf(name: string, files: Readonly<Record<string, string>>): Promise<Map<string, Manifest>> {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name, path)), { recursive: true });
    writeFileSync(join(root, name, path), text);
  }
  const compiled = await compileProject({ root: join(root, name), include: ["flows/**"] });
  assert.deepEqual(compiled.problems, []);
  return new Map(compiled.manifests.map(({ id, manifest }) => [id, manifest]));
}

/** The canonical bytes with every source replaced: where the code is, is all in which the two forms may differ. */
function bytesOf(manifest: Manifest | undefined): string {
  assert.ok(manifest !== undefined);
  const definitions = Object.entries(manifest.definitions).map(([id, spec]) => [id, { ...spec, source: null }]);
  return canonicalText({ ...manifest, definitions: Object.fromEntries(definitions) });
}

const bodies = `
  export const extract = async (input: { day: string }) => ({ files: [{ name: input.day, bytes: 1 }], count: 1 });
  export const clean = async () => ({ rows: 3 });
  export const load = async () => ({ loaded: true });
  export async function tell() { return "told"; }
`;

const yaml = `
name: nightly
description: The night's work
params:
  day: { type: date, description: The day }
  limit: { type: int, default: 10 }
  zones: [str]
  full: bool?
types:
  File: { name: str, bytes: int }
defaults:
  executor: node
  file: ../lib/bodies.ts
  queue: etl
output: { ref: tasks.load.output.loaded }
tasks:
  # Out of order: what depends stands first.
  load:
    depends_on: [clean, extract]
    trigger_rule: none_failed
    when: tasks.extract.output.count > 0 && params.limit > 1
    input_type: { parts: [{ rows: int }], at: datetime_tz, note: str, options: { deep: [bool] } }
    output_type: { loaded: bool }
    inputs:
      parts: { ref: tasks.clean.output }
      at: { const: 2024-01-31T12:00:00+02:00 }
      note: { const: "" }
      options: { const: { deep: [true] } }
    retry: { attempts: 3, delay: 5, factor: 3, max_delay: 1m, jitter: 0 }
    timeout: 0
    writes: [orders, daily]
  extract:
    description: Takes out
    input_type: { day: date, zones: [str] }
    output_type: { files: [types.File], count: int }
    inputs: { day: { param: day }, zones: { ref: "params.zones" } }
    retries: 4
    timeout: 600
    expires_after: 3h
    priority: 5
  clean:
    depends_on: [extract]
    foreach: { ref: tasks.extract.output.files, as: file, key: file.name }
    input_type: { file: types.File, size: int }
    output_type: { rows: int }
    inputs: { file: { ref: file }, size: { ref: file.bytes } }
    timeout: 1m
    queue: wide
    concurrency: 2
    concurrency_key: input.file.name
    rate: { limit: 100, per: 1m, key: input.size }
    fair: input.file.name
    reads: [orders]
  quiet: { input_type: {}, output_type: {}, function: tell, timeout: 5m }
  tell:
    depends_on: [load]
    when: tasks.load.output.loaded
    input_type: {}
    output_type: str
    inputs: {}
`;

const typescript = `
  import { asset, task, workflow, cel } from "holdfast"; import { z } from "zod"; import * as bodies from "../lib/bodies";
  const orders = asset({ id: "orders" }); const daily = asset({ id: "daily" });
  export { orders, daily };
  const file = z.object({ name: z.string(), bytes: z.int() });
  export const extract = task({ id: "nightly.extract", description: "Takes out", input: z.object({ day: z.iso.date(), zones: z.array(z.string()) }),
    output: z.object({ files: z.array(file), count: z.int() }), retry: { attempts: 5 }, timeout: "10m", expiresAfter: "3h", priority: 5, queue: "etl" }, bodies.extract);
  export const clean = task({ id: "nightly.clean", input: z.object({ file, size: z.int() }), output: z.object({ rows: z.int() }),
    timeout: "60s", queue: "wide", concurrency: 2, concurrencyKey: (input) => input.file.name,
    rate: { limit: 100, per: "60s", key: (input) => input.size }, fair: (input) => input.file.name, reads: [orders] }, bodies.clean);
  export const load = task({ id: "nightly.load", input: z.object({ parts: z.array(z.object({ rows: z.int() })), at: z.iso.datetime({ offset: true }),
      note: z.string(), options: z.object({ deep: z.array(z.boolean()) }) }), output: z.object({ loaded: z.boolean() }),
    retry: { attempts: 3, delay: "5s", factor: 3, maxDelay: "1m", jitter: 0 }, queue: "etl", writes: [orders, daily] }, bodies.load);
  export const quiet = task({ id: "nightly.quiet", input: z.object({}), output: z.object({}).nullable(), timeout: "300s", queue: "etl" }, async () => null);
  export const tell = task({ id: "nightly.tell", input: z.object({}), output: z.string(), timeout: "300s", queue: "etl" }, bodies.tell);
  export const nightly = workflow({ id: "nightly", description: "The night's work", params: z.strictObject({ day: z.iso.date().describe("The day"),
      limit: z.int().default(10), zones: z.array(z.string()), full: z.boolean().nullable() }) }, (w) => {
    const e = w.call(extract, { day: w.params.day, zones: w.params.zones }, { as: "extract" });
    const c = w.map(e.output.files, clean, { as: "clean", key: (f) => f.name, with: (f) => ({ file: f, size: f.bytes }) });
    const l = w.call(load, { parts: c.outputs, at: "2024-01-31T12:00:00+02:00", note: "", options: { deep: [true] } },
      { as: "load", after: [c, e], rule: "none_failed", when: cel\`tasks.extract.output.count > 0 && params.limit > 1\` });
    w.call(quiet, {}, { as: "quiet" });
    w.call(tell, {}, { as: "tell", when: l.output.loaded, after: l });
    return l.output.loaded;
  });
`;

test("a workflow in YAML and in TypeScript has the same manifest byte for byte, but for where the code is", async () => {
  const ours = await manifestsOf("yaml", { "flows/nightly.yaml": yaml, "lib/bodies.ts": bodies });
  const theirs = await manifestsOf("typescript", { "flows/nightly.ts": typescript, "lib/bodies.ts": bodies });
  assert.deepEqual([...ours.keys()], [...theirs.keys()]);
  for (const [id, manifest] of ours) assert.equal(bytesOf(manifest), bytesOf(theirs.get(id)), id);
  const definitions = ours.get("nightly")?.definitions;
  assert.deepEqual(definitions?.nightly?.source, { module: "flows/nightly.yaml", export: "nightly" });
  assert.deepEqual(definitions?.["nightly.clean"]?.source, { module: "lib/bodies.ts", export: "clean", plain: true });
});

test("a task of TypeScript is used as it is, and a YAML workflow that calls it says what the TypeScript one says", async () => {
  const tasks = `import { asset, task } from "holdfast"; import { z } from "zod";
    export const orders = asset({ id: "orders", watermark: z.string() });
    export const split = task({ id: "split", input: z.object({ by: z.string() }), output: z.object({ parts: z.array(z.string()) }), queue: "etl", writes: [orders] },
      async ({ by }) => ({ parts: [by] }));
    export const part = task({ id: "part", input: z.object({ part: z.string(), deep: z.boolean().optional() }) }, async ({ part }) => part);`;
  const flow = `
name: parts
tasks:
  split: { executor: typescript, file: ../lib/tasks.ts, inputs: { by: { const: week } }, retries: 1 }
  each:
    executor: node
    file: ../lib/tasks.ts
    function: part
    depends_on: [split]
    foreach: { ref: tasks.split.output.parts, as: part }
    inputs: { part: { ref: part } }
  write:
    executor: node
    file: ../lib/write.ts
    depends_on: [each]
    input_type: { parts: [str] }
    inputs: { parts: { ref: tasks.each.output } }
    reads: [orders]
`;
  const write = `export const write = async () => null;`;
  const workflow = `import { task, workflow } from "holdfast"; import { z } from "zod"; import { part, split, orders } from "../lib/tasks";
    export const write = task({ id: "parts.write", input: z.object({ parts: z.array(z.string()) }), timeout: "5m", reads: [orders] }, async () => null);
    export const parts = workflow({ id: "parts" }, (w) => {
      const s = w.call(split, { by: "week" }, { retry: { attempts: 2 } });
      const e = w.map(s.output.parts, part, { as: "each", key: (p) => p, with: (p) => ({ part: p }) });
      w.call(write, { parts: e.outputs as never }, { as: "write" });
    });`;
  const ours = await manifestsOf("calls", { "flows/parts.yaml": flow, "lib/tasks.ts": tasks, "lib/write.ts": write });
  const theirs = await manifestsOf("called", { "flows/parts.ts": workflow, "lib/tasks.ts": tasks });
  assert.deepEqual([...ours.keys()], ["parts", "parts.write"]);
  for (const [id, manifest] of ours) assert.equal(bytesOf(manifest), bytesOf(theirs.get(id)), id);
});
