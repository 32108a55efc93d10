// What a body sees of state. Faults to catch: a write that takes effect twice because the body began again, or is answered by the record
// of an earlier value; undefined or NaN that is let through on one path; state of another run or task that a body reaches; a value that
// does not fit its schema and is kept; values of an earlier version that are read as those of this one; a value in the log.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError, type Json, type TaskContext, task } from "@holdfast/sdk";
import { z } from "zod";
import { openTest } from "./index.ts";

/** A task around a body, to be run once. */
function once<R>(body: (ctx: TaskContext) => Promise<R>) {
  return task(
    { id: "body", retry: { attempts: 3, delay: "1s" } },
    async (_input: unknown, ctx) => (await body(ctx)) as Json,
  );
}

async function ran(body: (ctx: TaskContext) => Promise<unknown>): Promise<Json> {
  const one = once(body);
  await using holdfast = await openTest([one]);
  return await holdfast.run(one, {});
}

test("values come back as they were written, null among them, and what is not there is undefined", async () => {
  const values: Json[] = ["text", 3, 0.5, true, false, null, [1, [2]], { a: { b: null } }, "NOT_FOUND", ""];
  const read = await ran(async (ctx) => {
    assert.equal(await ctx.state.get("nothing"), undefined);
    for (const [index, value] of values.entries()) await ctx.state.set(`v/${index}`, value as never);
    return Promise.all(values.map((_, index) => ctx.state.get(`v/${index}`)));
  });
  assert.deepEqual(read, values);
});

test("a second write replaces the first, a version rises with each, and an entry says who wrote it", async () => {
  await ran(async (ctx) => {
    assert.equal(await ctx.state.set("a", 1), 1);
    assert.equal(await ctx.state.set("a", 2), 2);
    const entry = await ctx.state.entry("a");
    assert.deepEqual([entry?.value, entry?.version, entry?.writer], [2, 2, { run: ctx.run.id, epoch: 1 }]);
    assert.equal((await ctx.state.list()).length, 1);
  });
});

test("what JSON cannot keep is refused with its path, and nothing is sent: undefined, NaN, infinities, maps, also inside", async () => {
  await ran(async (ctx) => {
    const set = (value: unknown) => ctx.state.set("a", value as never);
    await assert.rejects(set(undefined), /ctx\.state at "a" is undefined/);
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      await assert.rejects(set(value), { name: "TypeError" });
      await assert.rejects(set({ deep: [value] }), /"a"\.deep\[0\] is (NaN|-?Infinity)/);
      await assert.rejects(ctx.state.append("list", value as never), { name: "TypeError" });
      await assert.rejects(
        ctx.state.update("a", () => value),
        { name: "TypeError" },
      );
      await assert.rejects(ctx.state.increment("n", value), { name: "TypeError" });
      await assert.rejects(ctx.state.setIfMax("n", value), { name: "TypeError" });
      assert.throws(() => ctx.taskState.op.set("a", { x: value }), { name: "TypeError" });
    }
    await assert.rejects(ctx.state.append("list", undefined as never), /undefined/);
    await assert.rejects(
      ctx.state.update("a", () => undefined as never),
      /undefined/,
    );
    await assert.rejects(set(new Map()), /a Map/);
    await assert.rejects(set("a\u0000"), /NUL/);
    assert.deepEqual(await ctx.state.list(), []);
  });
});

test("keys have 1 to 512 characters, and a slash is one of them", async () => {
  await ran(async (ctx) => {
    for (const key of ["", "x".repeat(513), "a\u0000b", "\ud800", 7 as never]) {
      await assert.rejects(ctx.state.get(key), { name: "TypeError" });
      await assert.rejects(ctx.state.set(key, 1), { name: "TypeError" });
      await assert.rejects(ctx.state.delete(key), { name: "TypeError" });
    }
    for (const key of ["a/b", "/", "x".repeat(512), "..", "ä€😀"]) {
      await ctx.state.set(key, key);
      assert.equal(await ctx.state.get(key), key);
      await ctx.state.delete(key);
      assert.equal(await ctx.state.get(key), undefined);
    }
  });
});

test("delete leaves the others and is no error of what is not there; clear takes all, or what begins so", async () => {
  await ran(async (ctx) => {
    for (const key of ["a/1", "a/2", "b"]) await ctx.state.set(key, key);
    await ctx.state.delete("b");
    await ctx.state.delete("b", { as: "again" });
    const keys = async (prefix?: string) =>
      (await ctx.state.list(prefix === undefined ? {} : { prefix })).map(({ key }) => key);
    assert.deepEqual(await keys(), ["a/1", "a/2"]);
    await ctx.state.set("c", 1);
    assert.deepEqual(await keys("a/"), ["a/1", "a/2"]);
    assert.equal(await ctx.state.clear({ prefix: "a/" }), 2);
    assert.deepEqual(await keys(), ["c"]);
    assert.equal(await ctx.state.clear(), 1);
    assert.equal(await ctx.state.clear({ as: "empty" }), 0);
    assert.deepEqual(await keys(), []);
  });
});

test("lists longer than a page come whole and in the order of keys", async () => {
  const keys = await ran(async (ctx) => {
    for (let page = 0; page < 12; page++) {
      const ops = Array.from({ length: 100 }, (_, n) =>
        ctx.state.op.set(`k${String(page * 100 + n).padStart(5, "0")}`, n),
      );
      await ctx.state.transact(ops, { as: `page ${page}` });
    }
    return (await ctx.state.list()).map(({ key }) => key);
  });
  assert.ok(Array.isArray(keys));
  assert.deepEqual([keys.length, keys.toSorted()], [1_200, keys]);
});

test("each verb answers what it did, and wrong ones are told why with the key and without the value", async () => {
  await ran(async (ctx) => {
    assert.deepEqual([await ctx.state.increment("n"), await ctx.state.increment("n", 2.5)], [1, 3.5]);
    assert.deepEqual([await ctx.state.append("l", "a"), await ctx.state.append("l", null)], [1, 2]);
    assert.deepEqual(await ctx.state.get("l"), ["a", null]);
    assert.deepEqual([await ctx.state.setIfMax("m", "b"), await ctx.state.setIfMax("m", "a")], [true, false]);
    assert.equal(await ctx.state.update("u", (value = 1) => Number(value) * 2), 2);
    assert.equal(await ctx.state.update("u", (value = 1) => Number(value) * 2), 4);
    await ctx.state.set("secret", "hunter2");
    const refusals = [
      [ctx.state.set("secret", "x", { ifVersion: 7 }), "state_conflict"],
      [ctx.state.set("secret", "y", { ifVersion: 0 }), "state_conflict"],
      [ctx.state.delete("secret", { ifVersion: 9 }), "state_conflict"],
      [ctx.state.increment("secret"), "state_mismatch"],
      [ctx.state.append("secret", 1), "state_mismatch"],
      [ctx.state.setIfMax("secret", 1), "state_mismatch"],
      [ctx.state.set("large", "x".repeat(65_536)), "limit_exceeded"],
    ] as const;
    for (const [refused, code] of refusals) {
      await assert.rejects(refused, (error) => {
        assert.ok(isAppError(error, code), `${code}: ${String(error)}`);
        assert.match(error.message, /"(secret|large)" of run /);
        assert.ok(!JSON.stringify([error.message, error.hint, error.details]).includes("hunter2"));
        return true;
      });
    }
    assert.equal(await ctx.state.get("secret"), "hunter2");
  });
});

test("changes of both scopes are made together or not at all", async () => {
  await ran(async (ctx) => {
    const done = await ctx.state.transact([
      ctx.state.op.set("a", 1),
      ctx.taskState.op.increment("n", 2),
      ctx.state.op.append("l", "x"),
      ctx.state.op.setIfMax("m", 5),
    ]);
    assert.deepEqual(
      done.map(({ version, value, length }) => value ?? length ?? version),
      [1, 2, 1, 5],
    );
    const refused = ctx.taskState.transact([
      ctx.taskState.op.increment("n"),
      ctx.state.op.delete("a", { ifVersion: 3 }),
    ]);
    await assert.rejects(refused, (error) => isAppError(error, "state_conflict"));
    assert.deepEqual([await ctx.taskState.get("n"), await ctx.state.get("a")], [2, 1]);
    await assert.rejects(ctx.state.transact([]), /1 to 100/);
    await assert.rejects(ctx.state.transact([{} as never]), /list of changes/);
  });
});

test("a value whose time is over is gone for every reader, and changes find nothing", async () => {
  const later = task({ id: "later" }, async (_input: unknown, ctx) => {
    await ctx.state.set("short", 1, { retention: "1h" });
    for (const retention of ["never", 0] as const)
      await ctx.state.set("long", 1, { retention, as: `long ${retention}` });
    for (const bad of ["-1h", "soon", 5, "99999999d", "0h", -1]) {
      await assert.rejects(ctx.state.set("bad", 1, { retention: bad as never }), { name: "RangeError" });
    }
    assert.equal((await ctx.state.entry("long"))?.expiresAt, null);
    const entry = await ctx.state.entry("short");
    if (ctx.epoch === 1)
      assert.equal(Date.parse(entry?.expiresAt ?? "") - Date.parse(entry?.createdAt ?? ""), 3_600_000);
    await ctx.sleep("two hours", "2h");
    assert.equal(await ctx.state.get("short"), undefined);
    assert.deepEqual(
      (await ctx.state.list()).map(({ key }) => key),
      ["long"],
    );
    assert.equal(await ctx.state.increment("short"), 1);
    return (await ctx.state.entry("short"))?.version;
  });
  await using holdfast = await openTest([later]);
  assert.equal(await holdfast.run(later, {}), 2, "a version never means two values");
});

test("an absolute write whose body begins again writes what it then finds right; one that says the same is done once", async () => {
  const load = task({ id: "load" }, async (_input: unknown, ctx) => {
    for (let at = Number((await ctx.state.get("cursor")) ?? 0); at < 5; at++) {
      await ctx.taskState.increment("done", 1, { as: `done ${at}` });
      await ctx.state.set("cursor", at + 1);
    }
    return [await ctx.state.get("cursor"), await ctx.taskState.get("done")] as Json;
  });
  await using holdfast = await openTest([load]);
  for (const at of [1, 3]) holdfast.crashAt(`state:done ${at}`);
  for (const at of [2, 4]) holdfast.crashAt(`recorded:done ${at}`);
  assert.deepEqual(await holdfast.run(load, {}), [5, 5]);
});

const relative: Readonly<Record<string, (ctx: TaskContext) => Promise<unknown>>> = {
  increment: (ctx) => ctx.taskState.increment("n", 1, { as: "write" }),
  append: (ctx) => ctx.taskState.append("l", "x", { as: "write" }),
  update: (ctx) => ctx.taskState.update("u", (n = 0) => Number(n) + 1, { as: "write" }),
  set: (ctx) => ctx.taskState.set("s", ctx.run.id, { as: "write" }),
  setIfMax: (ctx) => ctx.taskState.setIfMax("m", 5, { as: "write" }),
  delete: async (ctx) => (await ctx.taskState.delete("gone", { as: "write" })) ?? null,
  clear: (ctx) => ctx.taskState.clear({ prefix: "gone/", as: "write" }),
  transact: (ctx) =>
    ctx.state.transact([ctx.taskState.op.increment("n"), ctx.state.op.append("l", 1)], { as: "write" }),
};
for (const [verb, write] of Object.entries(relative)) {
  for (const point of ["state:write", "recorded:write", "succeed"] as const) {
    test(`ctx.taskState.${verb} takes effect once and has one answer, though its process dies at ${point} and its body waits`, async () => {
      const answers: unknown[] = [];
      const body = task({ id: "body" }, async (_input: unknown, ctx) => {
        answers.push(await write(ctx));
        await ctx.sleep("afterwards", "1h");
        return (await ctx.taskState.list()).map(({ key, value, version }) => [
          key,
          value === ctx.run.id ? "id" : value,
          version,
        ]);
      });
      await using holdfast = await openTest([body]);
      holdfast.crashAt(point);
      const left: Readonly<Record<string, unknown>> = {
        ...{ increment: [["n", 1, 1]], append: [["l", ["x"], 1]], update: [["u", 1, 1]], set: [["s", "id", 1]] },
        ...{ setIfMax: [["m", 5, 1]], delete: [], clear: [], transact: [["n", 1, 1]] },
      };
      assert.deepEqual(await holdfast.run(body, {}), left[verb]);
      assert.ok(answers.length >= 2);
      for (const answer of answers) assert.deepEqual(answer, answers[0]);
    });
  }
}

test("a name that is used for other changes is answered by its record, with a warning; a step's key is none", async () => {
  const body = task({ id: "body" }, async (_input: unknown, ctx) => {
    await ctx.step("step", () => 1);
    await ctx.state.set("a", ctx.epoch, { as: "mark" });
    await assert.rejects(ctx.state.set("a", 9, { as: "step" }), /is the key of a step/);
    await assert.rejects(
      ctx.step("mark", () => 1),
      /key of a write of state/,
    );
    await assert.rejects(
      ctx.step("inside", () => ctx.state.set("b", 1)),
      /inside of the step "inside"/,
    );
    await ctx.step("named", () => ctx.state.set("b", 1, { as: "inside, named" }));
    await ctx.sleep("nap", "1h");
    return ctx.state.get("a");
  });
  await using holdfast = await openTest([body]);
  const run = await holdfast.start(body, {});
  assert.equal(await run.result(), 1);
  const warnings = (await run.logs()).filter(({ text }) => text.includes('"mark" is recorded with other changes'));
  assert.deepEqual(
    warnings.map(({ level }) => level),
    ["warn"],
  );
});

test("a retry goes on with the run's state, another run has its own, and the task's is for all", async () => {
  const body = task({ id: "body", retry: { attempts: 2, delay: "1s" } }, async (_input: unknown, ctx) => {
    await ctx.state.append("attempts", ctx.attempt, { as: `attempt ${ctx.attempt}` });
    await ctx.taskState.increment("runs");
    if (ctx.attempt === 1) throw new Error("once more");
    return [await ctx.state.get("attempts"), await ctx.taskState.get("runs")] as Json;
  });
  const other = task(
    { id: "other" },
    async (_input: unknown, ctx) => [await ctx.taskState.list(), await ctx.state.list()] as never,
  );
  await using holdfast = await openTest([body, other]);
  assert.deepEqual(await holdfast.run(body, {}), [[1, 2], 1]);
  assert.deepEqual(await holdfast.run(body, {}), [[1, 2], 2]);
  assert.deepEqual(await holdfast.run(other, {}), [[], []]);
});

test("items of a map keep their own state by their identity", async () => {
  const part = task({ id: "part" }, async ({ name }: { name: string }, ctx) => {
    const before = await ctx.taskState.get(name);
    await ctx.taskState.set(name, (ctx.run.item ?? "") as string);
    await ctx.state.set("name", name);
    return [before ?? null, await ctx.state.get("name")] as Json;
  });
  const all = task({ id: "all" }, async (names: string[], ctx) =>
    ctx.map("parts", names, part, { key: (name) => name, with: (name) => ({ name }) }),
  );
  await using holdfast = await openTest([all, part]);
  assert.deepEqual(await holdfast.run(all, ["b", "c"]), [
    [null, "b"],
    [null, "c"],
  ]);
  assert.deepEqual(await holdfast.run(all, ["a", "c", "b"]), [
    [null, "a"],
    ["c", "c"],
    ["b", "b"],
  ]);
});

test("a schema says which keys and values there are", async () => {
  const typed = task(
    { id: "typed", state: z.object({ n: z.number().max(10), at: z.date().optional() }), taskState: z.looseObject({}) },
    async (_input: unknown, ctx) => {
      await assert.rejects(ctx.state.set("n", 11), /ctx\.state at "n" does not fit/);
      await assert.rejects(ctx.state.set("m" as "n", 1), /has no "m"/);
      await assert.rejects(ctx.state.get("N" as "n"), /Did you mean n\?|has no "N"/);
      await ctx.state.set("at", new Date(0));
      await ctx.taskState.set("anything", 1);
      return ctx.state.get("at");
    },
  );
  await using holdfast = await openTest([typed]);
  assert.equal(await holdfast.run(typed, {}), "1970-01-01T00:00:00.000Z");
});

test("values of an earlier version are migrated once, in one commit; those of a later one are refused", async () => {
  let migrations = 0;
  const migrate = ({ total }: Readonly<Record<string, Json>>, from: number) => {
    migrations += 1;
    return { total: Number(total) * from };
  };
  // The same task, as its code becomes in time.
  const declared = { schema: z.looseObject({}), version: 1, migrate };
  const count = task({ id: "count", taskState: declared }, async (input: { write?: boolean }, ctx) => {
    if (input.write === true)
      await ctx.taskState.transact([ctx.taskState.op.set("total", "7"), ctx.taskState.op.set("old", 1)]);
    if (declared.version === 1) return null;
    const sum = await ctx.taskState.update("total", (total) => Number(total) + 1);
    return [sum, (await ctx.taskState.list()).map(({ key }) => key)] as Json;
  });
  await using holdfast = await openTest([count]);
  await holdfast.run(count, { write: true });
  declared.version = 2;
  holdfast.crashAt("recorded:migrate/task@1#1");
  assert.deepEqual(await holdfast.run(count, {}), [8, ["total"]]);
  assert.deepEqual(await holdfast.run(count, {}), [9, ["total"]]);
  assert.equal(migrations, 1);
  declared.version = 1;
  await assert.rejects(holdfast.run(count, { write: true }), /of version 2 of its schema, and this code knows 1/);
});
