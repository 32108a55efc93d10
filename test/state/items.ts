import { FatalError, task } from "holdfast";

interface Item {
  readonly name: string;
  readonly fails: string;
}

export const item = task({ id: "TypeScript-item" }, async ({ name, fails }: Item, ctx) => {
  const [mine = null, known = null] = [await ctx.state.get("name"), await ctx.taskState.get(name)];
  await ctx.state.set("name", name);
  await ctx.taskState.set(name, ctx.run.item ?? "");
  if (fails === name && ctx.attempt === 1) throw new FatalError("once");
  return JSON.parse(JSON.stringify([mine, known]));
});

/** A map whose items keep state (items.test.ts). */
export const items = task(
  { id: "TypeScript" },
  async ({ names, fails = "" }: { names: string[]; fails?: string }, ctx) =>
    ctx.map("parts", names, item, { key: (name) => name, with: (name) => ({ name, fails }) }),
);
