import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { inFolder } from "../owned/folder.fixture.ts";
import { Database } from "./database.ts";

const dump = new URL("./schema.sql", import.meta.url);

/** HOLDFAST_UPDATE_SCHEMA=1 writes the dump anew; the change then shows in review. */
test("the migrations make the schema that is checked in", () =>
  inFolder((folder) => {
    const path = join(folder, "store.db");
    new Database({ path, migrate: true }, 0).close();
    const db = new DatabaseSync(path);
    const rows = db.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type DESC, name").all();
    const version = db.prepare("PRAGMA user_version").get()?.user_version;
    db.close();
    const text = `-- Schema ${version}, as the migrations make it.\n\n${rows.map((row) => `${row.sql};\n`).join("\n")}`;
    if (process.env.HOLDFAST_UPDATE_SCHEMA === "1") writeFileSync(dump, text);
    assert.equal(readFileSync(dump, "utf8"), text);
  }));
