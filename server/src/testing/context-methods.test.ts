// Every method of a body's context, called and then waited after, and called and then crashed after: it takes effect once, and answers
// the same in each start of the body (P12). The table has a place for each member of TaskContext: what is added there without one does
// not compile. Faults to catch: an effect that happens again because the body began again, a record that another start does not find,
// an answer that changes, an activation that dies between the effect and its record and leaves the effect twice.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Json, waitKinds } from "@holdfast/protocol";
import { asset, type TaskContext, task } from "@holdfast/sdk";
import { customJob } from "@holdfast/sdk/external";
import type { CrashPoint } from "./crashing-placement.ts";
import { openTest } from "./index.ts";

type TestHoldfast = Awaited<ReturnType<typeof openTest>>;
type TestRun = Awaited<ReturnType<TestHoldfast["start"]>>;

interface Seen {
  readonly holdfast: TestHoldfast;
  readonly run: TestRun;
  readonly elapsedMs: number;
  /** What the body found afterwards. */
  readonly left: Json;
}

/** What a body does that changes something, or waits. Its key is `it`. */
interface Cell {
  readonly call: (ctx: TaskContext) => Promise<unknown>;
  /** Where its process may die in the middle of it. */
  readonly crashes: readonly CrashPoint[];
  /** How often it took effect, where nobody but the test looks. */
  readonly effects: (seen: Seen) => Promise<number> | number;
  /** What the body looks for afterwards, once. */
  readonly afterwards?: (ctx: TaskContext) => Promise<unknown>;
  /** What somebody does meanwhile. */
  readonly meanwhile?: (seen: { readonly holdfast: TestHoldfast; readonly run: TestRun }) => Promise<void>;
}

let worked = 0;
const child = task({ id: "child" }, ({ n }: { n: number }) => {
  worked += 1;
  return 10 * n + worked;
});
const orders = asset({ id: "orders" });
let done = 0;
const job = customJob<{ readonly rows: number }>({ service: "warehouse", spec: { sql: "SELECT 1" } });

const waitPoints = ["wait:it", "waiting:it"] as const;
/** Hours that went by beside the one that the body waits for afterwards. */
const hours = ({ elapsedMs }: Seen) => Math.round(elapsedMs / 3_600_000) - 1;

const cells = {
  step: {
    call: (ctx) => ctx.step("it", () => ++done),
    // Before its record is there, its function may run again: that is said of it, and its record is one.
    crashes: ["recorded:it"],
    effects: () => done,
  },
  sleep: { call: (ctx) => ctx.sleep("it", "1h"), crashes: waitPoints, effects: hours },
  waitForSignal: {
    call: (ctx) => ctx.waitForSignal("it"),
    crashes: waitPoints,
    // The second signal is there for whoever comes next.
    afterwards: (ctx) => ctx.waitForSignal("next", { name: "it" }),
    effects: ({ left }) => (left === "second" ? 1 : 2),
    meanwhile: async ({ run }) => {
      await run.signal("it", "first");
      await run.signal("it", "second");
    },
  },
  call: { call: (ctx) => ctx.call("it", child, { n: 1 }), crashes: waitPoints, effects: () => worked },
  map: {
    call: (ctx) => ctx.map("it", [1], child, { key: () => "one", with: (n) => ({ n }) }),
    crashes: waitPoints,
    effects: () => worked,
  },
  external: {
    call: (ctx) => ctx.external("it", job),
    crashes: waitPoints,
    effects: ({ holdfast }) => holdfast.external.submissions("warehouse"),
    meanwhile: async ({ holdfast }) => holdfast.external.finish("it", { rows: 3 }),
  },
  all: {
    call: (ctx) => ctx.all([ctx.call("it", child, { n: 1 }), ctx.sleep("nap", "1h")]),
    crashes: waitPoints,
    effects: () => worked,
  },
  race: {
    call: (ctx) => ctx.race("winner", { it: ctx.sleep("it", "1h"), late: ctx.sleep("late", "9h") }),
    crashes: waitPoints,
    effects: hours,
  },
  start: {
    call: async (ctx) => (await ctx.start("it", child, { n: 1 })) !== undefined,
    crashes: [],
    effects: async ({ holdfast }) => (await holdfast.runs()).length - 1,
  },
  state: {
    call: (ctx) => ctx.state.increment("n"),
    crashes: [],
    afterwards: (ctx) => ctx.state.get("n"),
    effects: ({ left }) => Number(left),
  },
  taskState: {
    call: (ctx) => ctx.taskState.increment("n"),
    crashes: [],
    afterwards: (ctx) => ctx.taskState.get("n"),
    effects: ({ left }) => Number(left),
  },
  asset: {
    call: (ctx) => ctx.asset("orders").emit({ n: 1 }),
    crashes: ["state:emit/asset:orders#1", "recorded:emit/asset:orders#1"],
    afterwards: async (ctx) => (await ctx.asset("orders").events()).length,
    effects: ({ left }) => Number(left),
  },
} satisfies Partial<Record<keyof TaskContext, Cell>>;

/** Why a member has no place above. */
const excepted = {
  run: "a fact",
  attempt: "a fact",
  epoch: "a fact",
  traceparent: "a fact",
  abortSignal: "a fact",
  token: "the same for its key, and nothing happens",
  log: "P12 excepts it",
  progress: "P12 excepts it",
  skip: "it ends the run",
} satisfies Partial<Record<keyof TaskContext, string>>;

/** Whoever adds a member says here what it does. */
const missing: Record<Exclude<keyof TaskContext, keyof typeof cells | keyof typeof excepted>, never> = {};

/** Runs a body that calls the method, then waits for an hour, then ends. Answers what its starts were answered, and how often it took effect. */
async function played(
  cell: Cell,
  crash: CrashPoint | undefined,
): Promise<{ answers: Json[]; effects: number; starts: number }> {
  [worked, done] = [0, 0];
  const answers: Json[] = [];
  let starts = 0;
  const body = task({ id: "body", writes: [orders] }, async (_input: unknown, ctx: TaskContext) => {
    starts += 1;
    const answer = await cell.call(ctx);
    answers.push(JSON.parse(JSON.stringify(answer ?? null)) as Json);
    await ctx.step("mark", () => null);
    await ctx.sleep("later", "1h");
    return JSON.parse(JSON.stringify((await cell.afterwards?.(ctx)) ?? null)) as Json;
  });
  await using holdfast = await openTest([body, child]);
  const beganAt = holdfast.clock.now();
  if (crash !== undefined) holdfast.crashAt(crash, { of: body });
  const run = await holdfast.start(body, {});
  await cell.meanwhile?.({ holdfast, run });
  const left = await run.result();
  const elapsedMs = holdfast.clock.now() - beganAt;
  return { answers, effects: await cell.effects({ holdfast, run, elapsedMs, left }), starts };
}

for (const [method, cell] of Object.entries<Cell>(cells)) {
  describe(`ctx.${method}`, () => {
    for (const crash of [undefined, "step:mark", "succeed", ...cell.crashes] as const) {
      const how = crash === undefined ? "whose body waits afterwards" : `whose process dies at ${crash}`;
      test(`${how} takes effect once and answers the same`, async () => {
        const { answers, effects, starts } = await played(cell, crash);
        assert.equal(effects, 1);
        assert.ok(starts >= 2 && answers.length >= 2, `${starts} starts, ${answers.length} answers`);
        assert.deepEqual(
          answers,
          answers.map(() => answers[0]),
        );
      });
    }
  });
}

test("every member of the context has its place, and every kind of wait is somebody's", async () => {
  let members: string[] = [];
  const body = task({ id: "body" }, (_input: unknown, ctx) => {
    const own = Object.keys(ctx);
    const inherited = Object.getOwnPropertyNames(Object.getPrototypeOf(ctx) as object);
    members = [...own, ...inherited];
    return null;
  });
  await using holdfast = await openTest([body]);
  await holdfast.run(body, {});
  const placed = [...Object.keys(cells), ...Object.keys(excepted), ...Object.keys(missing)];
  assert.deepEqual(
    placed.filter((name) => !members.includes(name)),
    [],
  );
  const asked = { sleep: "sleep", signal: "waitForSignal", call: "call", external: "external" } as const;
  assert.deepEqual(Object.keys(asked).sort(), [...waitKinds].sort());
  assert.ok(Object.values(asked).every((name) => name in cells));
});
