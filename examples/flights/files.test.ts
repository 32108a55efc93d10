import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { keep, kept, readExtracts, readSource, writeWhole } from "./files.ts";

const folder = await mkdtemp(join(tmpdir(), "flights-"));
const home = process.cwd();
process.chdir(folder);
after(async () => {
  process.chdir(home);
  await rm(folder, { recursive: true });
});

test("what is kept comes back, under the same name each time", async () => {
  const value = { week: "2001-W01", flights: [1, 2, 3] };
  const file = await keep("value", value);
  assert.match(file, /^value\.[0-9a-f]{16}\.json$/);
  assert.equal(await keep("value", value), file);
  assert.notEqual(await keep("value", { ...value, flights: [] }), file);
  assert.deepEqual(await kept(file), value);
});

test("a kept file that was changed is refused, and keeping it again repairs it", async () => {
  const file = await keep("changed", [1]);
  await writeFile(join(".holdfast", "flights", file), "[2]");
  await assert.rejects(kept(file), /was changed since it was written/);
  await keep("changed", [1]);
  assert.deepEqual(await kept(file), [1]);
});

test("attempts that write at the same time leave one whole file and no drafts", async () => {
  const texts = ["a", "b", "c", "d"].map((letter) => letter.repeat(300_000));
  await Promise.all(texts.map((text) => writeWhole(join("out", "report.html"), text)));
  assert.deepEqual(await readdir("out"), ["report.html"]);
  assert.ok(texts.includes(await readFile(join("out", "report.html"), "utf8")));
});

test("the npm package's extracts are there, and so are its other files", async () => {
  const extracts = await readExtracts("vega-datasets");
  assert.deepEqual(
    extracts.map((records) => records.length),
    [2_000, 5_000, 10_000, 20_000],
  );
  assert.match(await readSource("vega-datasets", "airports.csv"), /^iata,name,city/);
});

test("a source without the files is refused with the path that is missing", async () => {
  await assert.rejects(readExtracts("nowhere"), /nowhere.flights-\d+k\.json/);
});
