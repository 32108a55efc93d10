import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { errorCodes, runErrorCodes } from "@holdfast/protocol";
import { listFiles, readText, root } from "./tree.ts";

test("docs/errors.md lists every error code of the protocol, and no other", () => {
  const listed = [...readText("docs/errors.md").matchAll(/^(?:\|\s*|#+\s*)`([a-z_]+)`/gm)].map(
    (match) => match[1] ?? "",
  );
  const known = [...new Set([...Object.keys(errorCodes), ...runErrorCodes])];
  assert.deepEqual(listed.toSorted(), known.toSorted());
});

test("every relative link in a document leads somewhere", () => {
  const broken: string[] = [];
  for (const file of listFiles(/\.md$/)) {
    for (const target of linksOf(readText(file))) {
      if (/^([a-z]+:|\/\/)/i.test(target)) continue;
      const [path = "", anchor] = target.split("#");
      const aim = path === "" ? file : normalize(join(dirname(file), decodeURI(path)));
      const exists = existsSync(join(root, aim));
      if (!exists || (anchor && aim.endsWith(".md") && !anchorsOf(readText(aim)).has(anchor))) {
        broken.push(`${file} → ${target}`);
      }
    }
  }
  assert.deepEqual(broken, []);
});

test("the documents that a newcomer looks for are there", () => {
  const wanted = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "docs/errors.md"];
  assert.deepEqual(
    wanted.filter((file) => !existsSync(join(root, file))),
    [],
  );
});

/** Targets of inline links, images, reference definitions and HTML images, code blocks left out. */
function linksOf(markdown: string): string[] {
  const prose = markdown.replaceAll(/^(```|~~~)[\s\S]*?^\1/gm, "").replaceAll(/`[^`\n]*`/g, "");
  const patterns = [
    /\]\(\s*<?([^)\s>]+)>?[^)]*\)/g,
    /^\s*\[[^\]]+\]:\s*(\S+)/gm,
    /<(?:img|a)\b[^>]*\b(?:src|href)="([^"]+)"/g,
  ];
  return patterns.flatMap((pattern) => [...prose.matchAll(pattern)].map((match) => match[1] ?? ""));
}

/** Anchors as GitHub makes them from headings. */
function anchorsOf(markdown: string): Set<string> {
  const headings = [...markdown.matchAll(/^#+\s+(.*)$/gm)].map((match) => match[1] ?? "");
  return new Set(
    headings.map((heading) =>
      heading
        .trim()
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
        .replaceAll(/\s/g, "-"),
    ),
  );
}
