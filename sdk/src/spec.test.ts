import assert from "node:assert/strict";
import { test } from "node:test";
import { manifestSchema } from "@holdfast/protocol";
import { z } from "zod";
import { type DefinitionData, definitionData } from "./definition.ts";
import { asset, cel, task, workflow } from "./index.ts";
import { compileDefinitions } from "./spec.ts";
import type { StandardSchema } from "./standard-schema.ts";

const extract = task(
  { id: "extract", input: z.object({ day: z.string() }), output: z.object({ files: z.array(z.string()) }) },
  async (input) => ({ files: [input.day] }),
);
const transform = task({ id: "transform", input: z.object({ file: z.string() }) }, async () => ({ rows: 3 }));
const count = task({ id: "count", input: z.number(), output: z.object({ n: z.number(), big: z.boolean() }) }, (n) => ({
  n,
  big: n > 9,
}));

function compile(exports: Readonly<Record<string, unknown>>, names: readonly string[] = []) {
  const exported = Object.entries(exports).map(([name, value]) => ({
    data: definitionData(value) as DefinitionData,
    source: { module: "tasks/a.ts", export: name },
  }));
  return compileDefinitions(exported, {
    expression: () => ({ tasks: names, usesItem: false }),
    timing: () => undefined,
  });
}

/** Compiles one workflow beside the tasks and answers its problems as `message hint` lines. */
async function problemsOf(builder: (w: never) => unknown, params?: StandardSchema): Promise<string[]> {
  const wrong = workflow({ id: "wrong", ...(params === undefined ? {} : { params }) }, builder as () => string);
  const { manifests, problems } = await compile({ extract, transform, count, wrong });
  if (problems.length > 0) assert.equal(manifests.length, 0);
  for (const problem of problems) assert.equal(problem.file, import.meta.filename);
  return problems.map((problem) => `${problem.message} ${problem.hint}`);
}

/** What the types refuse, but JavaScript can still say. */
// biome-ignore lint/suspicious/noExplicitAny: the mistakes under test do not type-check
type Loose = any;

test("a workflow compiles to a manifest of everything it uses", async () => {
  const orders = asset({ id: "orders", watermark: z.string() });
  const write = task(
    {
      id: "write",
      writes: [orders],
      memory: "512mb",
      env: { REGION: "eu" },
      timeout: "90s",
      retry: { attempts: 3, delay: "2m" },
    },
    async () => 1,
  );
  const nightly = workflow({ id: "nightly", params: z.object({ day: z.string() }) }, (w) => {
    const e = w.call(extract, { day: w.params.day });
    const again = w.call(extract, { day: "x" }, { after: e, rule: "all_done" });
    const t = w.map(e.output.files, transform, {
      key: (f) => f,
      with: (f) => ({ file: f }),
      when: () => cel`size(${again.output.files}) > 2`,
    });
    w.call(write);
    return { rows: t.outputs, first: e.output.files[0], fixed: [1, null] };
  });
  const { manifests, problems } = await compile({ extract, transform, nightly, write });
  assert.deepEqual(problems, []);
  assert.deepEqual(
    manifests.map((manifest) => manifest.root),
    ["extract", "nightly", "transform", "write"],
  );
  const manifest = manifestSchema.parse(manifests[1]);
  assert.deepEqual(Object.keys(manifest.definitions).sort(), ["extract", "nightly", "transform", "write"]);
  assert.deepEqual(manifest.assets, { orders: { id: "orders", watermark: { type: "string" } } });
  const spec = manifest.definitions.nightly;
  assert.ok(spec?.kind === "workflow");
  assert.deepEqual(
    spec.nodes.map(({ name, upstream, rule }) => ({ name, upstream, rule })),
    [
      { name: "extract", upstream: [], rule: "all_success" },
      { name: "extract#2", upstream: ["extract"], rule: "all_done" },
      { name: "transform", upstream: ["extract", "extract#2"], rule: "all_success" },
      { name: "write", upstream: [], rule: "all_success" },
    ],
  );
  assert.deepEqual(spec.nodes[2]?.when, { cel: 'size(tasks["extract#2"].output.files) > 2' });
  assert.deepEqual(spec.output, {
    object: {
      rows: { ref: { from: "output", node: "transform", path: [] } },
      first: { ref: { from: "output", node: "extract", path: ["files", 0] } },
      fixed: { const: [1, null] },
    },
  });
  const written = manifest.definitions.write;
  assert.ok(written?.kind === "task");
  assert.equal(written.memoryBytes, 512 * 1024 * 1024);
  assert.deepEqual(written.env, { REGION: "eu" });
  assert.equal(written.timeoutMs, 90_000);
  assert.deepEqual(written.retry, { attempts: 3, delayMs: 120_000, factor: 2, maxDelayMs: 120_000, jitter: 0.25 });
});

test("a nested workflow is checked against its parameters and its output", async () => {
  const inner = workflow({ id: "inner", params: z.object({ day: z.string() }) }, (w) => ({
    files: w.call(extract, { day: w.params.day }).output.files,
  }));
  const outer = workflow({ id: "outer" }, (w: Loose) => {
    const good = w.call(inner, { day: "x" });
    w.call(inner, {});
    return good.output.fils;
  });
  const { problems } = await compile({ extract, inner, outer });
  assert.deepEqual(
    problems.map((problem) => `${problem.message} ${problem.hint}`),
    [
      'w.call of "inner": its input lacks "day". Bind it: { day: … }.',
      'workflow "outer": inner.output has no "fils". Did you mean "files"?',
    ],
  );
});

const mistakes: readonly (readonly [string, (w: Loose) => unknown, readonly string[], StandardSchema?])[] = [
  [
    "a mistyped parameter",
    (w) => w.call(extract, { day: w.params.dya }).output,
    ['node "extract" of workflow "wrong": w.params has no "dya". Did you mean "day"?'],
    z.object({ day: z.string() }),
  ],
  [
    "a mistyped output",
    (w) => w.call(extract, { day: "x" }).output.flies,
    ['workflow "wrong": extract.output has no "flies". Did you mean "files"?'],
  ],
  [
    "a step into a list by name",
    (w) => w.call(extract, { day: "x" }).output.files.length,
    [
      'workflow "wrong": extract.output.files is a list, so it has no "length". Step into its items (extract.output.files[0]), map over it with w.map, or write size(…) in a cel template.',
    ],
  ],
  [
    "a value of the wrong type",
    (w) => w.call(extract, { day: 3 }).output,
    ['w.call of "extract": its input.day is a number, but a string is wanted. Bind a value of that type.'],
  ],
  [
    "a reference of the wrong type",
    (w) => w.call(extract, { day: w.call(count, 1).output.n }).output,
    ['w.call of "extract": its input.day is a number, but a string is wanted. Bind a value of that type.'],
  ],
  [
    "an unknown and a missing field",
    (w) => w.call(extract, { dya: "x" }).output,
    [
      'w.call of "extract": its input lacks "day". Bind it: { day: … }.',
      'w.call of "extract": its input has an unknown field "dya". Did you mean "day"?',
    ],
  ],
  [
    "an unknown option",
    (w) => w.call(count, 1, { aftr: [] }).output,
    ['w.call of "count": unknown option "aftr". Did you mean "after"?'],
  ],
  [
    "an option that is not built yet",
    (w) => w.map([1], count, { key: (n: unknown) => n, concurrencyKey: "n" }).outputs,
    ['w.map of "count": "concurrencyKey" is not supported yet. Remove it: this version would not do what it asks.'],
  ],
  [
    "an unknown rule",
    (w) => w.call(count, 1, { rule: "all_sucess" }).output,
    ['w.call of "count": "rule" is "all_sucess". Did you mean "all_success"?'],
  ],
  [
    "a map over what is no list",
    (w) => w.map(w.call(count, 1).output.n, count, { key: (n: unknown) => n }).outputs,
    [
      'w.map of "count": w.map needs a list, but count.output.n is number. Map over a list, or call the task with w.call.',
    ],
  ],
  [
    "a map without a key",
    (w) => w.map([1], count, {}).outputs,
    ['w.map of "count": "key" is missing. Say what identifies an item: { key: (item) => item.id }.'],
  ],
  [
    "a key that is the same for every item",
    (w) => w.map([1, 2], count, { key: () => "k" }).outputs,
    ['w.map of "count": "key" is the same for every item. It must come from the item: { key: (item) => item.id }.'],
  ],
  [
    "a condition that is no boolean",
    (w) => w.call(count, 1, { when: w.call(count, 1).output.n }).output,
    [
      'w.call of "count": "when" is not true or false. Return a reference to a boolean, or a comparison in a cel template.',
    ],
  ],
  [
    "a handle instead of its output",
    (w) => w.call(extract, { day: w.call(extract, { day: "x" }) }).output,
    [
      'node "extract#2" of workflow "wrong": its input.day is the node "extract" itself. Pass what it returns: its .output.',
    ],
  ],
  [
    "a field that a handle does not have",
    (w) => w.call(count, 1).outputs,
    ['workflow "wrong": The node "count" has no .outputs. What it returns is .output.'],
  ],
  [
    "something that is no definition",
    (w) => w.call(undefined, {}).output,
    [
      "w.call needs a task or a workflow, but was given undefined. Import what task(…) or workflow(…) returned. Undefined is often an import that goes round in a circle.",
    ],
  ],
  [
    "a builder's method that does not exist",
    (w) => w.cal(count, 1),
    ['workflow "wrong": The builder has no w.cal. Did you mean "call"?'],
  ],
  [
    "a reference as a string",
    (w) => `${w.call(count, 1).output.n}`,
    [
      'workflow "wrong": The reference count.output.n was used as a string or compared as a number, but it is only a placeholder. The value exists only when the workflow runs. For an expression over it write a cel template with the reference inside.',
    ],
  ],
  [
    "what JSON cannot say",
    () => new Map(),
    ['workflow "wrong": its output is a Map. Bind references, expressions and what JSON can say.'],
  ],
  [
    "an asynchronous builder",
    async () => 1,
    ['workflow "wrong": its builder is asynchronous. Remove async: the builder only describes the graph.'],
  ],
  [
    "a builder that throws",
    () => {
      throw new TypeError("no");
    },
    [
      'workflow "wrong": its builder threw TypeError: no The builder runs when the project is compiled, on references instead of values.',
    ],
  ],
  [
    "parameters that a parse would change",
    () => 1,
    [
      'workflow "wrong": in "params" n is transformed or coerced. Parameters are bound without running code: convert them in the task that uses them.',
    ],
    z.object({ n: z.coerce.number() }),
  ],
];
for (const [name, builder, expected, params] of mistakes) {
  test(`${name} is a problem that says where and what is meant`, async () => {
    assert.deepEqual(await problemsOf(builder, params), expected);
  });
}

test("two nodes of one name are a problem that names the first", async () => {
  const [problem] = await problemsOf((w: Loose) => {
    w.call(count, 1, { as: "same" });
    w.call(count, 1, { as: "same" });
  });
  assert.match(problem ?? "", /the node name "same" is used twice \(the first is on line \d+\)/);
});

test("references of another workflow and items outside their map are problems", async () => {
  let stolen: unknown;
  const other = workflow({ id: "other", params: z.object({ day: z.string() }) }, (w) => {
    stolen = w.params.day;
    return 1;
  });
  const thief = workflow({ id: "thief" }, (w: Loose) => {
    w.call(extract, { day: stolen });
    let item: unknown;
    w.map(["a"], transform, {
      key: (f: unknown) => {
        item = f;
        return f;
      },
      with: (f: unknown) => ({ file: f }),
    });
    w.call(count, 1, { after: { name: "extract" } });
    return item;
  });
  const { problems } = await compile({ extract, transform, count, other, thief });
  assert.deepEqual(
    problems.map((problem) => problem.message),
    [
      'node "extract" of workflow "thief": its input.day is w.params.day of the workflow "other".',
      'w.call of "count": "after" names {"name":"extract"}, which is no node of this workflow.',
      'workflow "thief": its output is the item of the map "transform".',
    ],
  );
});

test("a constant of too many levels is told by the head of its place, and a circle is told apart from depth", async () => {
  const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);
  const circle: Record<string, unknown> = {};
  circle.self = { left: circle, right: circle };
  const problems = await problemsOf((w: Loose) => {
    w.call(extract, { day: deep(150) });
    w.call(extract, { day: circle });
    return null;
  });
  const place = /^node "extract(#2)?" of workflow "wrong": its input\.day.{0,80} /;
  for (const problem of problems) assert.match(problem, place);
  assert.ok(
    problems.some((problem) => / is nested more than 100 deep\. Keep data of so many levels in a file/.test(problem)),
  );
  assert.ok(problems.some((problem) => /its input\.day\.self\.left contains itself\. /.test(problem)));
});

test("a workflow that calls itself, directly or through another, is a problem", async () => {
  const a: Loose = workflow({ id: "a" }, (w: Loose) => w.call(b, {}).output);
  const b: Loose = workflow({ id: "b" }, (w: Loose) => w.call(a, {}).output);
  const { problems } = await compile({ a, b });
  assert.deepEqual(
    problems.map((problem) => problem.message),
    ['workflow "b" calls itself: a → b → a.'],
  );
});

test("a task that is used but not exported, and an id that is used twice, are problems", async () => {
  const twin = task({ id: "extract" }, async () => 1);
  const hidden = task({ id: "hidden" }, async () => 1);
  const user = workflow({ id: "user" }, (w) => w.call(hidden).output);
  const { problems } = await compile({ extract, twin, user });
  assert.match(
    problems[0]?.message ?? "",
    /task "extract": the task "extract" has the same id \(spec.test.ts, line \d+\)\./,
  );
  assert.equal(problems[1]?.message, 'workflow "user" uses the task "hidden", which is not exported.');
  assert.match(problems[1]?.hint ?? "", /Write "export const … = task\(…\)" for the one on line \d+ of spec\.test\.ts/);
});

test("everything wrong in a task's options is told, with the nearest known name", async () => {
  const options: Loose = {
    id: "bad id",
    retries: 3,
    timeout: "10 minutes",
    retry: { attempts: 0, dealy: "1s" },
    queue: "a b",
    priority: Number.NaN,
    placement: "proces",
    memory: "much",
    env: { "A-B": "x", HOLDFAST_RUN_ID: "1", N: 1 },
    reads: [extract],
    input: { type: "object" },
    concurrency: 0,
    concurrencyKey: "x",
  };
  const variables =
    "Use letters, digits and _, and texts; names that begin with HOLDFAST_ or ORK_ are the runner's own.";
  const { problems } = await compile({ wrong: task(options, undefined as Loose) });
  assert.deepEqual(
    problems.map((problem) => `${problem.message} ${problem.hint}`),
    [
      'task "bad id": unknown option "retries". Did you mean "retry"?',
      'task "bad id": "id" is "bad id". Use letters and digits, and _ . - / inside, as in "sales/load-day".',
      'task "bad id": "input" is {"type":"object"}. It must be a schema of a library with Standard Schema, as z.object({ … }) of zod 4.',
      'task "bad id": retry: unknown option "dealy". Did you mean "delay"?',
      'task "bad id": retry: "attempts" is 0. It must be a whole number from 1 to 1000.',
      'task "bad id": "timeout" is "10 minutes". Write a duration such as "250ms", "10s", "5m", "3h" or "7d".',
      'task "bad id": "queue" is "a b". Use letters and digits, and _ . - / inside, as in "sales/load-day".',
      'task "bad id": "concurrency" is 0. It must be a whole number from 1 to 1000.',
      'task "bad id": "priority" is NaN. It must be a whole number from -1000 to 1000.',
      'task "bad id": "placement" is "proces". Did you mean "process"?',
      'task "bad id": "memory" is "much". Write a size such as "512mb" or "2gb".',
      `task "bad id": "env" cannot have "A-B". ${variables}`,
      `task "bad id": "env" cannot have "HOLDFAST_RUN_ID". ${variables}`,
      `task "bad id": "env" cannot have "N", whose value is no text. ${variables}`,
      'task "bad id": "reads" is not a list of assets. Write reads: [orders], where orders = asset({ id: "orders" }).',
      'task "bad id": its body is undefined. Pass a function second: task({ id }, async (input, ctx) => { … }).',
      'task "bad id": "concurrencyKey" is "x". Write a function of the input: { concurrencyKey: (input) => input.customer }.',
    ],
  );
  for (const problem of problems) assert.ok(problem.line > 0);
});

test("the key of runs is a reference into their input, or an expression over it", async () => {
  const input = z.object({ customer: z.string(), lines: z.array(z.object({ n: z.number() })), paid: z.boolean() });
  const keyOf = async (concurrencyKey: unknown) => {
    const keyed = task({ id: "keyed", input, concurrencyKey: concurrencyKey as () => string }, async () => 1);
    const { manifests, problems } = await compile({ keyed });
    for (const problem of problems) assert.ok(problem.line > 0);
    const [told] = problems.map(({ message, hint }) => `${message} ${hint}`);
    return told ?? manifests[0]?.definitions.keyed?.concurrencyKey;
  };
  const of = (path: (string | number)[]) => ({ ref: { from: "params", path } });
  assert.deepEqual(await keyOf((i: { customer: string }) => i.customer), of(["customer"]));
  assert.deepEqual(await keyOf((i: { lines: { n: number }[] }) => i.lines[0]?.n), of(["lines", 0, "n"]));
  assert.deepEqual(await keyOf((i: { customer: string }) => cel`lower(${i.customer})`), {
    cel: "lower(params.customer)",
  });
  assert.equal(
    await keyOf((i: { costumer: string }) => i.costumer),
    'task "keyed": input has no "costumer". Did you mean "customer"?',
  );
  assert.equal(
    await keyOf((i: { paid: boolean }) => i.paid),
    'task "keyed": "concurrencyKey" is boolean, no text or number. Step into the field that names the key.',
  );
  assert.equal(
    await keyOf(() => "all"),
    'task "keyed": "concurrencyKey" does not come from the input. Return a reference to a text or a number, or an expression: { concurrencyKey: (input) => input.customer }.',
  );
  assert.match(
    String(await keyOf((i: { customer: string }) => `${i.customer}!`)),
    /^task "keyed": The reference input\.customer was used as a string/,
  );
  const key = (params: { customer: string }) => params.customer;
  const flow = workflow({ id: "flow", params: input, concurrencyKey: key as never, fair: key as never }, () => 1);
  const { manifests } = await compile({ flow });
  const { concurrencyKey, fair } = manifests[0]?.definitions.flow ?? {};
  assert.deepEqual([concurrencyKey, fair], [of(["customer"]), of(["customer"])]);
  for (const manifest of manifests) manifestSchema.parse(manifest);
});

test("a rate is a number of starts within a time, of all runs or of each key", async () => {
  const input = z.object({ customer: z.string() });
  const rateOf = async (rate: unknown) => {
    const rated = task({ id: "rated", input, rate: rate as { limit: 1; per: "1s" } }, async () => 1);
    const { manifests, problems } = await compile({ rated });
    if (problems.length > 0) return problems.map(({ message, hint }) => `${message} ${hint}`);
    for (const manifest of manifests) manifestSchema.parse(manifest);
    return manifests[0]?.definitions.rated?.rate;
  };
  assert.deepEqual(await rateOf({ limit: 100, per: "1m" }), { limit: 100, perMs: 60_000 });
  assert.deepEqual(await rateOf({ limit: 1, per: "1s", key: (i: { customer: string }) => i.customer }), {
    limit: 1,
    perMs: 1_000,
    key: { ref: { from: "params", path: ["customer"] } },
  });
  assert.deepEqual(await rateOf(100), ['task "rated": "rate" is 100. Write an object: { limit: 100, per: "1m" }.']);
  assert.deepEqual(await rateOf({ limits: 1, limit: 0 }), [
    'task "rated": rate: unknown option "limits". Did you mean "limit"?',
    'task "rated": rate: "per" is missing. Write rate: { limit: 100, per: "1m" }.',
    'task "rated": rate: "limit" is 0. It must be a whole number from 1 to 1000.',
  ]);
  assert.deepEqual(await rateOf({ limit: 1, per: "31d", key: "customer" }), [
    'task "rated": rate: "per" is "31d". A rate\'s time is at most 30 days.',
    'task "rated": rate: "key" is "customer". Write a function of the input: { key: (input) => input.customer }.',
  ]);
});

test("ids and graphs may be as large as their limits and no larger", async () => {
  const at = await compile({ a: task({ id: "a".repeat(200) }, async () => 1) });
  assert.deepEqual(at.problems, []);
  const over = await compile({ a: task({ id: "a".repeat(201) }, async () => 1) });
  assert.match(over.problems[0]?.message ?? "", /"id" has 201 characters/);
  const graph = (nodes: number) => {
    const wide = workflow({ id: "wide" }, (w) => {
      for (let i = 0; i < nodes; i++) w.call(count, i);
      return null;
    });
    return compile({ count, wide });
  };
  assert.deepEqual((await graph(5_000)).problems, []);
  assert.match((await graph(5_001)).problems[0]?.message ?? "", /has more than 5000 nodes/);
});

test("types that JSON cannot keep are problems of the schema", async () => {
  const dates = task({ id: "dates", input: z.object({ at: z.date(), ok: z.coerce.date() }) }, async () => 1);
  const maps = task({ id: "maps", output: z.object({ m: z.map(z.string(), z.string()) }) }, async () => ({
    m: new Map(),
  }));
  const { problems } = await compile({ dates, maps });
  assert.deepEqual(
    problems.map((problem) => problem.message),
    [
      'task "dates": in "input" at is a Date, but it arrives as JSON: use z.coerce.date() or z.iso.datetime().',
      'task "maps": in "output" m is a map, which JSON cannot keep.',
    ],
  );
});

test("schemas of other libraries are used by their trait, or are opaque", async () => {
  const validate = (value: unknown) => ({ value });
  const described = {
    "~standard": {
      version: 1 as const,
      vendor: "mine",
      validate,
      jsonSchema: { input: () => ({ type: "string" }), output: () => ({ type: "number" }) },
    },
  };
  const opaque = { "~standard": { version: 1 as const, vendor: "mine", validate } };
  const t = task({ id: "t", input: described, output: opaque }, async () => 1);
  const { manifests } = await compile({ t });
  const spec = manifests[0]?.definitions.t;
  assert.deepEqual(spec?.kind === "task" ? [spec.input, spec.output] : [], [{ type: "string" }, undefined]);
});
