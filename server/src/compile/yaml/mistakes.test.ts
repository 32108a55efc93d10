// Faults to catch: a mistake that is let through; one that hides another; a wrong line; a hint that names nothing near; a rule
// of Ork's two validators that is not kept; what cannot be carried out accepted and ignored.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { inspectExpression } from "../inspect-expression.ts";
import { parseYaml } from "./document.ts";
import { compileWorkflowFile } from "./workflow-file.ts";

const root = mkdtempSync(join(tmpdir(), "holdfast-mistakes-"));
after(() => rmSync(root, { recursive: true, force: true }));
mkdirSync(join(root, "flows"));
writeFileSync(join(root, "flows/code.py"), "def main(): ...\nasync def clean(): ...\n");
writeFileSync(join(root, "flows/code.ts"), "");
writeFileSync(join(root, "flows/plain.sh"), "");

async function compile(text: string) {
  const path = join(root, "flows/w.yaml");
  const { tree, problems } = parseYaml(text, path);
  assert.deepEqual(problems, []);
  assert.ok(tree !== undefined);
  const names = ["main", "clean"];
  return compileWorkflowFile(
    { path, tree },
    {
      root,
      findExport: (_, name) => (names.includes(name) ? { kind: "function" } : { kind: "missing", known: names }),
      findAsset: () => undefined,
      inspectExpression,
      connections: ["gcp", "jobs"],
    },
  );
}

/** Every mistake as `LINE message / hint`. */
async function told(text: string): Promise<string[]> {
  const { problems } = await compile(text);
  return problems
    .map(({ line, message, hint }) => `${line} ${message} / ${hint}`)
    .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
}

/** The mistakes of one task, whose keys stand from line 4 on, between two tasks that are right. */
async function toldOf(lines: string): Promise<string[]> {
  const indented = lines.split("\n").map((line) => `    ${line}`);
  const first =
    "  up: { executor: shell, command: echo, output_type: { n: int, s: str, l: [{ id: str }], t: datetime_utc, b: bool } }";
  return told(["name: w", "tasks:", "  it:", ...indented, first, ""].join("\n"));
}

test("names, keys and top-level mistakes are told with what is likely meant", async () => {
  assert.deepEqual(await told("nmae: x\ntasks: {}\n"), [
    '1 the workflow: unknown key "nmae". / Did you mean "name"?',
    '1 the workflow has no "name". / Add it: name: …',
    '2 the workflow has no "tasks". / It needs at least one.',
  ]);
  assert.deepEqual(await told("- a\n"), [
    "1 the workflow is a list. / It must be a mapping with the keys name, description, params, types, defaults, schedule, ….",
  ]);
  assert.deepEqual(await told('name: " "\ndescription: ""\ntasks: [a]\n'), [
    '1 the workflow: "name" is " ". / It must be a text.',
    '2 the workflow: "description" is "". / It must be a text, or left out.',
    '3 "tasks" is a list. / It must be a mapping of names.',
  ]);
  const [id] = await told("name: My flow!\ntasks: { a: { executor: shell, command: x } }\n");
  assert.equal(
    id,
    '1 the workflow\'s name is "My flow!". / It is the id of its runs: use letters and digits, and _ . - / inside, as in "My-flow-".',
  );
  assert.deepEqual(await told("name: w\nsteps: {}\ntasks: { 1a: { executor: shell, command: x }, b: x }\n"), [
    '2 the workflow: unknown key "steps". / It is called "tasks" here.',
    '3 task "1a" has a name that references cannot use. / Use letters, digits and _, and begin with a letter or _.',
    '3 task "b" is "x". / It must be a mapping with the keys executor, description, file, module, function, command, ….',
    '3 task "b" has no "executor". / Write executor: python, typescript or process.',
  ]);
});

test("what is not built yet is refused by its name", async () => {
  const text = `name: w
on_failure: page
on_success: tell
deadlines: []
tasks:
  a: { executor: shell, command: x, secrets: [s] }
`;
  assert.deepEqual(
    (await told(text)).map((line) => line.replace(/ \/ .*/, "")),
    [
      '2 the workflow: "on_failure" is not built yet.',
      '3 the workflow: "on_success" is not built yet.',
      '4 the workflow: "deadlines" is not built yet.',
      '6 task "a": "secrets" is not built yet.',
    ],
  );
});

test("a key names an argument of the task that is a text or a number", async () => {
  const shell =
    "executor: shell\ncommand: x\ninput_type: { day: date, tags: [str], ok: bool, who: { id: int } }\ninputs:";
  const given = "{ day: { const: 2026-01-01 }, tags: { const: [] }, ok: { const: true }, who: { const: { id: 1 } } }";
  const of = (key: string) => toldOf(`${shell} ${given}\nconcurrency: 2\nconcurrency_key: ${key}`);
  assert.deepEqual(await of("input.day"), []);
  assert.deepEqual(await of("input.who.id"), []);
  assert.deepEqual(await of("params.day"), [
    '9 task "it": "concurrency_key" is "params.day". / Name an argument of the task, input.customer, and bind it under inputs.',
  ]);
  assert.deepEqual(await of("input.dya"), [
    '9 task "it": "concurrency_key" names "dya", which input does not have. / Did you mean "day"?',
  ]);
  assert.deepEqual(await toldOf(`${shell} ${given}\nrate: { limits: 1, per: 40d, key: day }`), [
    '8 task "it": "rate": unknown key "limits". / Did you mean "limit"?',
    '8 task "it": "rate": "per" is "40d". / It must be at most 30 days.',
    '8 task "it": "rate" has no "limit". / Add it: limit: …',
    '8 task "it": "rate": "key" is "day". / Name an argument of the task, input.customer, and bind it under inputs.',
  ]);
  for (const key of ["tags", "ok", "who"]) {
    assert.match(String(await of(`input.${key}`)), /A key is a text or a number: step to the field that names it/);
  }
});

test("each executor has its own keys, and code that is not there is told", async () => {
  assert.deepEqual(await toldOf("executor: python"), [
    '3 task "it" has no "file" or "module". / The executor python needs it.',
  ]);
  assert.deepEqual(await toldOf("executor: cloud_run"), [
    '3 task "it" has no "job". / The executor cloudrun needs it.',
  ]);
  assert.deepEqual(await toldOf("executor: http\ncommand: x\nurl: http://x"), [
    '5 task "it": "command" means nothing to the executor http. / The executor http takes url, connection, options.',
  ]);
  assert.deepEqual(await toldOf("executor: shell\ncommand: x\nfile: plain.sh"), [
    '6 task "it" has both "command" and "file". / Remove one.',
  ]);
  assert.deepEqual(await toldOf("executor: process\nfile: plain.sh"), [
    '5 task "it": "flows/plain.sh" may not be executed. / Run: chmod +x flows/plain.sh; or write command: sh flows/plain.sh',
  ]);
  assert.deepEqual(await toldOf("executor: python\nfile: code.py\nfunction: claen"), [
    '6 task "it": flows/code.py has no function "claen". / Did you mean "clean"?',
  ]);
  assert.deepEqual(await toldOf("executor: python\nfile: ../../code.py"), [
    `5 task "it": the file "../../code.py" is not there. / It is looked for at ../code.py, beside the workflow's file.`,
  ]);
  assert.deepEqual(await toldOf("executor: python\nmodule: shop/code.py"), [
    '5 task "it": "module" is "shop/code.py". / Write file: shop/code.py',
  ]);
  assert.deepEqual(await toldOf("executor: python\nfile: code.ts"), [
    '5 task "it": "flows/code.ts" is no Python. / Name a .py file.',
  ]);
  assert.deepEqual(await toldOf("executor: node\nfile: code.ts\nfunction: mian"), [
    '6 task "it": flows/code.ts has no export "mian". / Did you mean "main"?',
  ]);
  assert.deepEqual(await toldOf("executor: library\nfile: x.so"), [
    '4 task "it": the executor library is not supported. / A library loaded into the server could end it: make it a program, and use executor: process.',
  ]);
});

test("values that mean nothing are refused with what they must be", async () => {
  const found = await toldOf(
    "executor: shell\ncommand: x\nretries: -1\ntimeout: 5 minutes\nexpires_after: 0\npriority: high\ntrigger_rule: all\nqueue: [q]\nenv: { A: [1], HOLDFAST_X: a }\ndepends_on: up",
  );
  assert.deepEqual(found.slice(0, -2), [
    '6 task "it": "retries" is -1. / It must be a whole number from 0 to 999.',
    '7 task "it": "timeout" is "5 minutes". / It must be a number of seconds, or a duration such as "10m" (units ms, s, m, h, d; at most ten years).',
    '8 task "it": "expires_after" is 0. / It must be more than nothing: a number of seconds, or a duration such as "10m" (units ms, s, m, h, d; at most ten years).',
    '9 task "it": "priority" is "high". / It must be a whole number from -1000 to 1000.',
    '10 task "it": "trigger_rule" is "all". / It must be one of all_success, all_done, one_success, none_failed.',
    '11 task "it": "queue" is a list. / It must be the name of a queue: letters and digits, and _ . - / inside.',
  ]);
  assert.deepEqual(found.slice(-2), [
    '12 task "it": "env.A" is a list. / It must be a text, a number, or true or false.',
    '13 task "it": "depends_on" is "up". / It must be a list of the names of tasks: [extract].',
  ]);
  assert.deepEqual(
    await toldOf("executor: shell\ncommand: x\nenv: { ORK_X: a }\nretry: { attempts: 0, dealy: 1 }\nretries: 1"),
    [
      `6 task "it": "env" cannot have "ORK_X". / Use letters, digits and _; names that begin with HOLDFAST_ or ORK_ are the runner's own.`,
      '7 task "it" has both "retry" and "retries". / Remove one: retries: 4 is retry: { attempts: 5 }.',
      '7 task "it": "retry": "attempts" is 0. / It must be a whole number from 1 to 1000.',
      '7 task "it": "retry": unknown key "dealy". / Did you mean "delay"?',
    ],
  );
});

test("what the manifest could not say is a mistake of the file: ids, and what is too long", async () => {
  const found = await toldOf(
    `executor: shell\ncommand: x\nqueue: a b\nreads: [ok, "no id"]\nwhen: ${"1 == 1 && ".repeat(1_100)}true`,
  );
  assert.deepEqual(
    found.map((line) => line.slice(0, 70)),
    [
      '6 task "it": "queue" is "a b". / It must be the name of a queue: lette',
      '7 task "it": "reads.1" is "no id". / It must be the id of an asset: le',
      '8 task "it": "when" is "1 == 1 && 1 == 1 && 1 == 1 && 1 == 1 && 1 == 1',
    ],
  );
  const long = "n".repeat(150);
  const [message] = await told(`name: ${long}\ntasks:\n  ${long}: { executor: shell, command: x }\n`);
  assert.match(message ?? "", /^3 task "n+" would have an id of 301 characters/);
});

test("dependencies that lead nowhere, twice, to the task itself or in a circle are told", async () => {
  const text = `name: w
defaults: { executor: shell, command: x }
tasks:
  a: { command: x, depends_on: [b, nobody, b, a], input_type: {}, output_type: {} }
  b: { command: x, depends_on: [c], input_type: {}, output_type: {} }
  c: { command: x, depends_on: [a], input_type: {}, output_type: {} }
`;
  assert.deepEqual(await told(text), [
    '2 "defaults": unknown key "command". / Known: "executor", "file", "module", "retries", "retry", "timeout", "expires_after", "queue", "concurrency", "priority", "env".',
    '4 task "a": "depends_on" names "nobody", which is no task here. / Known: "b", "c".',
    '4 task "a": "depends_on" names "b" twice. / Remove one.',
    '4 task "a" depends on itself. / Remove it.',
    '6 task "c": tasks wait for each other in a circle: a → b → c → a. / Remove one dependency.',
  ]);
});

test("types are demanded where data goes, and inputs are those of input_type", async () => {
  assert.deepEqual(
    await told(
      "name: w\ntasks:\n  a: { executor: shell, command: x }\n  b: { executor: shell, command: x, depends_on: [a] }\n",
    ),
    [
      '3 task "a" has no "output_type", but "b" depends on it. / Write output_type: {} when it returns nothing.',
      '4 task "b" has "depends_on", but no "input_type". / Write input_type: {} when it takes no arguments.',
    ],
  );
  assert.deepEqual(
    await toldOf(
      "executor: shell\ncommand: x\ninput_type: { a: int, b: str }\ninputs: { a: { const: 1 }, c: { const: 1 } }",
    ),
    [
      '7 task "it": "inputs" lacks "b". / Bind it; its type is str.',
      '7 task "it": inputs.c is not in "input_type". / Remove it, or declare it. "input_type" has a, b.',
    ],
  );
  assert.deepEqual(await toldOf("executor: shell\ncommand: x\ninputs: { a: { const: 1 } }"), [
    '6 task "it" has "inputs", but no "input_type". / Say the type of each argument: input_type: { day: date }.',
  ]);
  assert.deepEqual(await toldOf("executor: shell\ncommand: x\ninput_type: [str]\ninputs: {}"), [
    '6 task "it": "input_type" is no object. / Name the arguments: input_type: { day: date }.',
  ]);
  assert.deepEqual(
    await toldOf(
      "executor: shell\ncommand: x\ninput_type: { a: int, b: int, c: int }\ninputs: { a: 5, b: {}, c: { const: 1, ref: tasks.up.output } }",
    ),
    [
      '7 task "it": inputs.a is 5. / Say where it comes from: { const: 5 }, { ref: … } or { param: … }.',
      '7 task "it": inputs.b has nothing. / It needs exactly one of "const", "ref" and "param".',
      '7 task "it": inputs.c has "const" and "ref". / It needs exactly one of "const", "ref" and "param".',
    ],
  );
});

test("mistakes in types are told, aliases that contain or multiply themselves included", async () => {
  const aliases = Array.from({ length: 40 }, (_, i) => `  A${i + 1}: { a: types.A${i}, b: types.A${i} }`).join("\n");
  const text = `name: w
types:
  int: str
  Loop: [types.Pool]
  Pool: { x: types.Loop }
  Bad: { a: integer, b: intt, c: types.Laap, d: [str, int], e: 5, f-g: str, h: Loop, i: datetime }
  A0: str
${aliases}
tasks: { t: { executor: shell, command: x } }
`;
  const found = await told(text);
  assert.deepEqual(found.slice(0, 10), [
    '3 types.int: "int" is a builtin type. / Choose another name.',
    "5 types.Pool.x contains itself: Loop → Pool → Loop. / A type cannot contain itself.",
    '6 types.Bad.a is "integer", which is no type. / Write int.',
    '6 types.Bad.b is "intt", which is no type. / Did you mean "int"?',
    '6 types.Bad.c is "types.Laap", which "types" does not declare. / Did you mean "Loop"?',
    "6 types.Bad.d is a list of 2 types. / A list has one type for all of its items: [str].",
    "6 types.Bad.e is 5. / A type is a name, [T] or {field: T}.",
    '6 types.Bad.f-g: "f-g" is no name. / Use letters, digits and _, and begin with a letter or _.',
    '6 types.Bad.h is "Loop", which is no type. / Write types.Loop.',
    '6 types.Bad.i is "datetime", which is no type. / Write datetime_utc, datetime_tz or datetime_notz.',
  ]);
  assert.match(found[10] ?? "", /^19 types.A12 has more than 5000 parts/);
  assert.equal(found.length, 11);
});

test("types that are nested without end are refused, and end nothing", async () => {
  const chain = Array.from({ length: 5_000 }, (_, i) => `  A${i}: { a: types.A${i + 1} }`).join("\n");
  const tasks = "tasks: { t: { executor: shell, command: x, output_type: types.A0 } }";
  const found = await told(`name: w\ntypes:\n${chain}\n  A5000: str\n${tasks}\n`);
  assert.match(found[0] ?? "", /types\.A99\.a is the 100th alias that names another/);
  const backwards = chain.split("\n").reverse().join("\n");
  const other = await told(`name: w\ntypes:\n  A5000: str\n${backwards}\n${tasks}\n`);
  assert.match(other[0] ?? "", /types\.A4900 is nested more than 100 deep/);
});

test("references lead to outputs of depends_on, to fields that are there, of the type that is wanted", async () => {
  const at = "executor: shell\ncommand: x\ndepends_on: [up]\n";
  const refs = [
    "input_type: { a: str, b: int, c: str, d: str, e: datetime_tz, f: datetime_utc, g: [str], h: str, i: str, j: str }",
    "inputs:",
    "  a: { ref: tasks.up.output.n }",
    "  b: { ref: tasks.up.output.m }",
    "  c: { ref: tasks.up.outptu }",
    "  d: { ref: tasks.pu.output }",
    "  e: { ref: tasks.up.output.t }",
    "  f: { ref: tasks.up.output.s }",
    "  g: { ref: tasks.up.output.l }",
    "  h: { ref: 'tasks.up.output.l[0].id' }",
    "  i: { ref: tasks.it.output }",
    "  j: { ref: item.x }",
  ].join("\n");
  assert.deepEqual(await toldOf(at + refs), [
    '9 task "it": inputs.a is int, but str is wanted. / Both types must be the same; only datetime_utc may go where datetime_tz is wanted.',
    '10 task "it": inputs.b: the reference names "m", which tasks.up.output does not have. / Known: "n", "s", "l", "t", "b".',
    '11 task "it": inputs.c: the reference is "tasks.up.outptu". / Write tasks.up.output.',
    '12 task "it": inputs.d: the reference names the task "pu", which is not there. / Did you mean "up"?',
    '14 task "it": inputs.f is str, but datetime_utc is wanted. / Both types must be the same; only datetime_utc may go where datetime_tz is wanted.',
    '15 task "it": inputs.g[] is {id: str}, but str is wanted. / Both types must be the same; only datetime_utc may go where datetime_tz is wanted.',
    `17 task "it": inputs.i: the reference is the task's own output. / A task cannot see what it returns.`,
    '18 task "it": inputs.j: the reference is "item.x", and there is no "item". / Only a task with "foreach" has an item; refs call it by the name of "as".',
  ]);
  const without = "executor: shell\ncommand: x\ninput_type: { a: int }\ninputs: { a: { ref: tasks.up.output.n } }";
  assert.deepEqual(await toldOf(without), [
    '7 task "it": inputs.a: the reference is of the task "up", which is not in "depends_on". / Write depends_on: [up]',
  ]);
  assert.deepEqual(await toldOf("executor: shell\ncommand: x\ninput_type: { a: int }\ninputs: { a: { param: day } }"), [
    '7 task "it": inputs.a: the reference names the parameter "day", which "params" does not declare. / Declare it at the top: "params:".',
  ]);
});

test("constants are of their type, to the last field", async () => {
  const lines = [
    "executor: shell",
    "command: x",
    "input_type: { a: int, b: float, c: date, d: datetime_notz, e: datetime_tz, f: datetime_utc, g: { h: [bool] }, i: str?, j: int }",
    "inputs:",
    "  a: { const: 1.5 }",
    "  b: { const: 2 }",
    "  c: { const: 2023-02-29 }",
    "  d: { const: 2024-01-01T00:00:00Z }",
    "  e: { const: 2024-01-01T00:00:00 }",
    "  f: { const: 2024-01-01T00:00:00+00:00 }",
    "  g: { const: { h: [true, 1], x: 1 } }",
    "  i: { const: null }",
    "  j: { const: null }",
  ];
  assert.deepEqual(await toldOf(lines.join("\n")), [
    '8 task "it": inputs.a is 1.5. / It must be a whole number (int).',
    '10 task "it": inputs.c is "2023-02-29". / It must be a date as 2024-01-31 (date).',
    '11 task "it": inputs.d is "2024-01-01T00:00:00Z". / It must be a time as 2024-01-31T12:00:00, without an offset (datetime_notz).',
    '12 task "it": inputs.e is "2024-01-01T00:00:00". / It must be a time with an offset, as 2024-01-31T12:00:00+02:00 (datetime_tz).',
    '13 task "it": inputs.f is "2024-01-01T00:00:00+00:00". / It must be a time in UTC, as 2024-01-31T12:00:00Z (datetime_utc).',
    '14 task "it": inputs.g.h[1] is 1. / It must be true or false (bool).',
    '14 task "it": inputs.g has an unknown field "x". / Known: "h".',
    '16 task "it": inputs.j is empty. / It must be a whole number (int).',
  ]);
});

test("conditions and maps are checked: expressions, lists, keys, and null after a branch", async () => {
  const base = "executor: shell\ncommand: x\ndepends_on: [up]\n";
  assert.deepEqual(await toldOf(`${base}input_type: {}\nwhen: tasks.up.output.n`), [
    '8 task "it": "when" is int, not true or false. / Name a bool, or compare: params.limit > 3.',
  ]);
  assert.deepEqual(await toldOf(`${base}input_type: {}\nwhen: tasks.up.output.n + 1`), [
    '8 task "it": "when" is an expression of another kind, not true or false. / Name a bool, or compare: params.limit > 3.',
  ]);
  assert.deepEqual(await toldOf(`${base}input_type: {}\nwhen: tasks.pu.output.n > 3 && tasks.up.output.n >`), [
    '8 task "it": "when" is an expression with a mistake: Unexpected token: EOF at character 45 of "tasks.pu.output.n > 3 && tasks.up.output.n >". / Expressions are CEL: see https://cel.dev for the language.',
  ]);
  assert.deepEqual(await toldOf(`${base}input_type: {}\nwhen: tasks.pu.output.n > 3`), [
    '8 task "it": "when": tasks.pu.output names the task "pu", which is not there. / Did you mean "up"?',
  ]);
  assert.deepEqual(await toldOf(`${base}input_type: {}\nforeach: { ref: tasks.up.output.n, kye: x }`), [
    '8 task "it": "foreach": unknown key "kye". / Did you mean "key"?',
    '8 task "it": "foreach" needs a list, but tasks.up.output.n is int. / Step to the field that is the list.',
    '8 task "it": "foreach" has no "key". / Say what identifies an item: key: item.id',
  ]);
  assert.deepEqual(
    await toldOf(
      `${base}input_type: { a: str }\nforeach: { ref: tasks.up.output.l, as: e, key: e.idd }\ninputs: { a: { ref: e.id } }`,
    ),
    ['8 task "it": "foreach": "key" names "idd", which e does not have. / Did you mean "id"?'],
  );
  assert.deepEqual(
    await toldOf(
      `${base}trigger_rule: all_done\ninput_type: { a: int, b: int? }\ninputs: { a: { ref: tasks.up.output.n }, b: { ref: tasks.up.output.n } }`,
    ),
    [
      '9 task "it": inputs.a is int?, but int is wanted. / tasks.up.output.n is null when its task was skipped or failed: write int? in input_type.',
    ],
  );
});

test("parameters and their defaults are checked", async () => {
  const text = `name: w
params:
  a-b: str
  b: { type: int, default: x }
  c: { typ: int }
  d: { type: str, required: false }
tasks: { t: { executor: shell, command: x } }
`;
  assert.deepEqual(await told(text), [
    '3 params.a-b: "a-b" is no name. / Use letters, digits and _, and begin with a letter or _.',
    '4 params.b.default is "x". / It must be a whole number (int).',
    '5 params.c: unknown key "typ". / Did you mean "type"?',
    '5 params.c has no "type". / Add it: type: …',
    '6 params.d is not required, but has no "default". / Give it a default, or require it.',
  ]);
});

test("what an external job cannot be told is told with its line", async () => {
  const text = `name: w
tasks:
  a: { executor: cloudrun, job: j, options: { regoin: eu } }
  b: { executor: http, url: "https://x", job: j }
  c: { executor: kubernetes }
  d: { executor: kubernetes, job: none.yaml }
  e: { executor: kubernetes, job: j.yaml, image: busybox }
  f: { executor: shell, command: x, connection: bq }
  g: { executor: http, url: "https://x", env: { A: b } }
  h: { executor: cloudrun, job: j, options: [1] }
`;
  assert.deepEqual(await told(text), [
    '3 task "a": unknown option "regoin". / Did you mean "region"?',
    '4 task "b": "job" means nothing to the executor http. / The executor http takes url, connection, options.',
    '5 task "c" has no "job" or "image". / The executor kubernetes needs it.',
    `6 task "d": the file "none.yaml" is not there. / It is looked for at flows/none.yaml, beside the workflow's file.`,
    '7 task "e" has both "job" and "image". / Remove one.',
    '8 task "f": "connection" means nothing to the executor process. / The executor process takes command, file.',
    '9 task "g" has "env", and no process of its own. / Remove it: say it in the job itself.',
    '10 task "h": "options" is a list. / It must be a mapping.',
  ]);
});
