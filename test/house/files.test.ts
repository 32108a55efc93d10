import assert from "node:assert/strict";
import { test } from "node:test";
import { isTest, listFiles, readText } from "./tree.ts";

const maxLines = 400;
const wholeNames = ["common", "base", "types"];
const words = ["util", "utils", "helper", "helpers", "misc", "manager", "managers"];

test("no file outside the tests is longer than 400 lines", () => {
  const long = listFiles(/\.(ts|js|cjs|py)$/)
    .filter((file) => !isTest(file))
    .map((file) => ({ file, lines: readText(file).trimEnd().split("\n").length }))
    .filter(({ lines }) => lines > maxLines);
  assert.deepEqual(long, []);
});

test("no file or folder has a name that says nothing", () => {
  const empty = listFiles(/\.(ts|js|cjs|py|sql)$/).filter((file) =>
    file.split("/").some((part) => {
      const stem = part.split(".")[0] ?? "";
      return wholeNames.includes(stem) || stem.split("-").some((word) => words.includes(word));
    }),
  );
  assert.deepEqual(empty, []);
});

test("the lockfile names no registry, so that it serves every mirror, and every package in it has an integrity", () => {
  const lock = JSON.parse(readText("package-lock.json")) as {
    packages: Record<string, { resolved?: string; integrity?: string; link?: boolean; inBundle?: boolean }>;
  };
  const entries = Object.entries(lock.packages).filter(([path]) => path.includes("node_modules/"));
  assert.ok(entries.length > 0);
  const addressed = entries.filter(([, entry]) => /^https?:/.test(entry.resolved ?? "")).map(([path]) => path);
  assert.deepEqual(addressed, []);
  const unproven = entries.filter(([, entry]) => !entry.link && !entry.inBundle && entry.integrity === undefined);
  assert.deepEqual(unproven, []);
});

test("all packages carry one version and one licence, and ask for each other at exactly that version", () => {
  type Manifest = { name: string; version: string; license: string; dependencies?: Record<string, string> };
  const manifests = ["", "protocol/", "sdk/", "server/"].map(
    (folder) => JSON.parse(readText(`${folder}package.json`)) as Manifest,
  );
  const own = new Set(manifests.map((manifest) => manifest.name));
  const version = manifests[0]?.version;
  for (const manifest of manifests) {
    assert.equal(manifest.version, version, manifest.name);
    assert.equal(manifest.license, "Apache-2.0", manifest.name);
    for (const [name, range] of Object.entries(manifest.dependencies ?? {})) {
      if (own.has(name)) assert.equal(range, version, `${manifest.name} asks for ${name}`);
    }
  }
});
