// Faults to catch: a file of somebody else's gets a lock beside it, or is refused without its name; an empty file, as mktemp
// makes it, is refused.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { inFolder } from "../owned/folder.fixture.ts";
import { openSqliteStore } from "./open.ts";

test("what is no database is refused in words, and nothing is left beside it", () =>
  inFolder(async (folder) => {
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    mkdirSync(join(folder, "data"));
    for (const [name, what] of [
      ["package.json", /package\.json is no SQLite database\./],
      ["data", /data is a folder\./],
    ] as const) {
      await assert.rejects(openSqliteStore({ path: join(folder, name), role: "either" }), what);
    }
    assert.deepEqual(readdirSync(folder).sort(), ["data", "package.json"]);
  }));

test("an empty file becomes a store", () =>
  inFolder(async (folder) => {
    const path = join(folder, "empty.db");
    writeFileSync(path, "");
    const store = await openSqliteStore({ path, role: "owner" });
    assert.equal((await store.describe()).kind, "sqlite");
    await store.close();
  }));
