import { FatalError, task, workflow } from "holdfast";
import { noteBody } from "./notes.ts";

// What Holdfast carries out in the bench. No-op bodies: what is measured is everything around them.

export const noop = task({ id: "noop", placement: "inline" }, () => {
  noteBody();
  return null;
});

export const noopProcess = task({ id: "noop-process" }, () => null);

/** Answers how many milliseconds ago `at`, a reading of the machine's monotonic clock in nanoseconds, was. */
function since(input: unknown): number {
  const { at } = input as { at: string };
  return Number(process.hrtime.bigint() - BigInt(at)) / 1e6;
}

export const timed = task({ id: "timed", placement: "inline" }, (input) => {
  const ms = since(input);
  noteBody(ms);
  return ms;
});

export const timedProcess = task({ id: "timed-process" }, since);

export const tenSteps = task({ id: "ten-steps", placement: "inline" }, async (_input, ctx) => {
  let sum = 0;
  for (let step = 0; step < 10; step++) sum += await ctx.step(`step-${step}`, () => step);
  return sum;
});

const links = Array.from({ length: 9 }, (_, index) => `link-${index + 2}`);

export const chain = workflow({ id: "chain" }, (w) => {
  let last = w.call(noop, {}, { as: "link-1" });
  for (const as of links) last = w.call(noop, {}, { as, after: [last] });
  return last.output;
});

const thousand = Array.from({ length: 1_000 }, (_, index) => index);

export const fan = workflow({ id: "fan" }, (w) => w.map(thousand, noop, { key: (item) => item }).outputs);

// What ended runs of every kind leave behind is made with these.

export const stepping = task({ id: "stepping", placement: "inline" }, async (_input, ctx) => {
  const first = await ctx.step("first", () => ({ rows: 1_204, file: "part-1.csv" }));
  ctx.log.info("The first part is there.", { rows: first.rows });
  const second = await ctx.step("second", () => ({ rows: 880, file: "part-2.csv" }));
  ctx.log.info("The second part is there.", { rows: second.rows });
  return { rows: first.rows + second.rows, files: [first.file, second.file] };
});

export const failing = task({ id: "failing", placement: "inline" }, () => {
  throw new FatalError("The file has no header.");
});

export const three = workflow({ id: "three" }, (w) => {
  const first = w.call(stepping, {}, { as: "first" });
  const second = w.call(noop, {}, { as: "second", after: [first] });
  return w.call(noop, {}, { as: "third", after: [second] }).output;
});
