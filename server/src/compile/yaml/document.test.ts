// Faults to catch: a place that is off by one; a mistake that hides another; a value that JSON cannot keep let through;
// aliases that multiply until memory is full; deep nesting that ends the process.
import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonOf, parseYaml } from "./document.ts";

function told(text: string): string[] {
  return parseYaml(text, "f").problems.map(({ line, column, message }) => `${line}:${column} ${message}`);
}

function value(text: string): unknown {
  const { tree, problems } = parseYaml(text, "f");
  assert.deepEqual(problems, []);
  return tree === undefined ? undefined : jsonOf(tree);
}

test("values are those of YAML 1.2's core schema", () => {
  const text =
    'a: yes\nb: 2024-01-15\nc: 0x1f\nd: 1e3\ne: ~\nf: "1"\ng: |\n  x\n  y\nh: [true, null, -1.5]\ni: 1_000\nj:';
  assert.deepEqual(value(text), {
    a: "yes",
    b: "2024-01-15",
    c: 31,
    d: 1000,
    e: null,
    f: "1",
    g: "x\ny\n",
    h: [true, null, -1.5],
    i: "1_000",
    j: null,
  });
  assert.equal(value(""), undefined);
  assert.deepEqual(value("\ufeffa: 1\r\nb: 2\r\n"), { a: 1, b: 2 });
  assert.deepEqual(value("a: &x [1, {b: 2}]\nc: *x\nd: &x 3\ne: *x"), {
    a: [1, { b: 2 }],
    c: [1, { b: 2 }],
    d: 3,
    e: 3,
  });
});

test("each thing that YAML forbids is told with its line, and in words", () => {
  assert.deepEqual(told("a:\n  b: 1\n\tc: 2\n"), ["3:1 The line is indented with a tab."]);
  assert.deepEqual(told("a: 1\n---\nb: 1\n"), ["2:1 A second document begins here."]);
  assert.deepEqual(told("a: b: c"), ["1:4 A mapping begins in the middle of a line."]);
  assert.deepEqual(told("a: @x"), ["1:4 A text begins with a character that YAML keeps for itself."]);
  assert.deepEqual(told("a: 'x"), ["1:6 Missing closing 'quote."]);
  assert.deepEqual(told("%YAML 1.1\n---\na: yes"), ["1:1 The file says that it is YAML 1.1."]);
});

test("what JSON cannot keep is refused, all of it at once", () => {
  const text = [
    "a: 1",
    "b: .nan",
    "c: 12345678901234567890",
    'd: "\\0"',
    "1: x",
    "a: 2",
    "[k]: 1",
    "<<: {z: 1}",
    "__proto__: 1",
    "e: *nobody",
    "f: &f [*f]",
  ];
  assert.deepEqual(told(text.join("\n")), [
    "2:4 .nan is a value that JSON cannot say.",
    "3:4 The number 12345678901234567890 has more digits than JSON numbers keep.",
    "4:4 A text contains a NUL, which cannot be stored.",
    "5:1 The key 1 is no text.",
    '6:1 The key "a" stands here twice (the first is on line 1).',
    "7:1 A key is no text.",
    "8:1 YAML 1.2 has no merge key (<<).",
    "9:1 The key __proto__ is no text.",
    "10:4 The alias *nobody names nothing above it.",
    "11:8 The alias *f stands inside of what it names.",
  ]);
  assert.deepEqual(told("a: !!binary aGk="), ["1:13 aGk= is a value that JSON cannot say."]);
  assert.deepEqual(told("a: !env X"), ["1:4 A tag (!…) says of which type a value is."]);
});

test("aliases that multiply, and nesting without end, are refused instead of filling memory", () => {
  const bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
  for (let i = 1; i < 30; i++)
    bomb.push(`a${i}: &a${i} [${Array.from({ length: 10 }, () => `*a${i - 1}`).join(", ")}]`);
  assert.match(told(bomb.join("\n"))[0] ?? "", /more than 200000 values/);
  for (const text of ["[".repeat(100_000), "- ".repeat(20_000), `${"[".repeat(150)}${"]".repeat(150)}`]) {
    const problems = told(text);
    assert.equal(problems.length, 1);
    assert.match(problems[0] ?? "", /nested (too deep|more than 100 deep)/);
  }
});
