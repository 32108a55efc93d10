// Faults to catch: a command that hangs on a folder in which nothing can be made; a folder that is there refused.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { makeFolders } from "./folders.ts";

test("folders are made one in another, and again without harm", (t) => {
  const root = mkdtempSync(join(tmpdir(), "hf-folders-"));
  t.after(() => rmSync(root, { recursive: true }));
  for (let i = 0; i < 2; i++) makeFolders(join(root, "a", "b", "c"));
  assert.ok(statSync(join(root, "a", "b", "c")).isDirectory());
  makeFolders("/");
  writeFileSync(join(root, "file"), "");
  assert.throws(() => makeFolders(join(root, "file")), { code: "EEXIST" });
  assert.throws(() => makeFolders(join(root, "file", "a")), { code: "ENOTDIR" });
});

test("where nothing can be made, that is an error with its path", () => {
  assert.throws(() => makeFolders("/proc/holdfast/a"), { code: "ENOENT", path: "/proc/holdfast" });
});
