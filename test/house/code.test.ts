import assert from "node:assert/strict";
import { test } from "node:test";
import ts from "typescript";
import { listFiles, listProduct, readText, walk } from "./tree.ts";

/** Step n of a run's way through the code stands at the head of the file at place n. */
const sixSteps = [
  "server/src/api/runs.ts",
  "server/src/operations/runs.ts",
  "server/src/engine/dispatcher.ts",
  "server/src/placements/process/supervisor.ts",
  "sdk/src/child.ts",
  "server/src/operations/completion.ts",
];

const headLines = 12;

test("a newcomer can follow a run: the six files say which step they are, and no other file does", () => {
  for (const [index, file] of sixSteps.entries()) {
    const head = readText(file).split("\n").slice(0, headLines).join("\n");
    assert.match(head, new RegExp(`Step ${index + 1} of 6`), `${file} is headed "Step ${index + 1} of 6"`);
  }
  const others = listProduct().filter((file) => !sixSteps.includes(file) && /Step \d of 6/.test(readText(file)));
  assert.deepEqual(others, []);
});

test("nothing is marked as unfinished", () => {
  const marks = new RegExp(`\\b(${["TO", "FIX"].join("DO|")}ME|XX${"X"}|HA${"CK"})\\b`);
  const marked = listFiles(/\.(ts|js|cjs|sql|py|md|ya?ml|sh)$/).flatMap((file) =>
    readText(file)
      .split("\n")
      .flatMap((line, index) => (marks.test(line) ? [`${file}:${index + 1}`] : [])),
  );
  assert.deepEqual(marked, []);
});

const sql =
  /\bSELECT\b[\s\S]*\bFROM\b|\bINSERT\s+INTO\b|\bUPDATE\s+[\w."]+\s+SET\b|\bDELETE\s+FROM\b|\b(CREATE|ALTER|DROP)\s+(TABLE|INDEX|SCHEMA|FUNCTION|TYPE|DATABASE)\b|\bPRAGMA\s+\w/;

test("SQL stands in store/ and nowhere else", () => {
  const found: string[] = [];
  for (const file of listProduct().filter((file) => !file.startsWith("server/src/store/"))) {
    walk(file, (node, place) => {
      const isText = ts.isStringLiteralLike(node) || ts.isTemplateExpression(node);
      if (isText && sql.test(node.getText())) found.push(place);
    });
  }
  assert.deepEqual(found, []);
});

/** DESIGN §1, "Not used"; a word of a name, or two that follow each other. */
const bannedWords = ["execution", "executions", "util", "utils", "helper", "helpers", "manager", "managers", "dag"];
const bannedPairs = ["task instance", "task job", "job task"];

/** `triggerRule` and the triggerer are words of the design; `triggerRun` would be a verb, and that verb is `start`. */
function isBanned(name: string): boolean {
  const words = name
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2")
    .split(/[\s_-]+/)
    .map((word) => word.toLowerCase());
  const verb = words.findIndex((word) => word === "trigger" || word === "triggered");
  if (verb >= 0 && !["rule", "rules"].includes(words[verb + 1] ?? "")) return true;
  return (
    words.some((word) => bannedWords.includes(word)) ||
    bannedPairs.some((pair) => ` ${words.join(" ")} `.includes(` ${pair} `))
  );
}

/** Cloud Run calls one start of a job by a word that Holdfast does not use; who speaks of its jobs has to say what it says. */
const speaksForService = new Set(["server/src/trackers/cloud-run.ts", "sdk/src/external/cloud-run.ts"]);

test("names are made of the words of the design, one an idea", () => {
  const found: string[] = [];
  for (const file of listProduct().filter((file) => !speaksForService.has(file))) {
    walk(file, (node, place) => {
      const isDeclared =
        (ts.isVariableDeclaration(node) ||
          ts.isParameter(node) ||
          ts.isFunctionDeclaration(node) ||
          ts.isClassDeclaration(node) ||
          ts.isInterfaceDeclaration(node) ||
          ts.isTypeAliasDeclaration(node) ||
          ts.isMethodDeclaration(node) ||
          ts.isMethodSignature(node) ||
          ts.isPropertyDeclaration(node) ||
          ts.isPropertySignature(node)) &&
        node.name !== undefined;
      if (isDeclared && isBanned(node.name.getText())) found.push(`${place} ${node.name.getText()}`);
    });
  }
  assert.deepEqual(found, []);
});

test("comments and messages use the words of the design", () => {
  const own = listProduct().filter((file) => !speaksForService.has(file));
  const found = own.flatMap((file) =>
    readText(file)
      .split("\n")
      .flatMap((line, index) =>
        /\b(task instances?|DAG runs?|executions?)\b/i.test(line) ? [`${file}:${index + 1}`] : [],
      ),
  );
  assert.deepEqual(found, []);
});
