import { spawn } from "node:child_process";
import { appendFileSync, existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { FatalError, type TaskContext, task } from "holdfast";
import { pass } from "./points.ts";

// Bodies of the kill tests: each acts by its input and writes down what it does where nothing but the test looks.

/** What a body does. */
export interface Script {
  /** Each is some work, an effect and a recorded step. */
  readonly steps: number;
  readonly workMs: number;
  /** After so many of its steps it waits for a moment, without a process. */
  readonly naps: number;
  /** Work is a loop that hears nothing, instead of a wait. */
  readonly busy: boolean;
  /** A plain command is left running in the group meanwhile. */
  readonly command: boolean;
  readonly finale: "succeed" | "fatal" | "skip" | "sit";
  /** Attempts that fail before. */
  readonly failures: number;
}

/** What a body did: a line in the file `effects`. `act`: `begun`, `step-0`…, `returning`, `working`. */
export interface Effect {
  readonly runId: string;
  readonly epoch: number;
  readonly act: string;
  readonly pid: number;
}

/** Each node gives its children a folder of its own for temporary files, below the campaign's. */
const folder = dirname(process.env.TMPDIR ?? ".");

pass(folder, "child.loading");

function write({ run, epoch }: Pick<TaskContext, "run" | "epoch">, act: string): void {
  appendFileSync(
    join(folder, "effects"),
    `${JSON.stringify({ runId: run.id, epoch, act, pid: process.pid } satisfies Effect)}\n`,
  );
}

async function work({ workMs, busy }: Script, ctx: TaskContext): Promise<void> {
  const until = performance.now() + workMs;
  if (busy) while (performance.now() < until);
  for (;;) {
    const leftMs = until - performance.now();
    if (leftMs <= 0) return;
    await new Promise((resolve) => setTimeout(resolve, Math.min(20, leftMs)));
    if (workMs > 1_000) write(ctx, "working");
  }
}

async function act(script: Script, ctx: TaskContext) {
  write(ctx, "begun");
  pass(folder, "body.begun");
  const command = script.command ? spawn("sleep", ["600"], { stdio: "ignore" }) : undefined;
  for (let i = 0; i < script.steps; i++) {
    await ctx.step(`step-${i}`, async () => {
      await work(script, ctx);
      write(ctx, `step-${i}`);
      pass(folder, "body.acted");
      return { epoch: ctx.epoch };
    });
    pass(folder, "body.recorded");
    ctx.log.info("a step is recorded", { i });
    if (i >= script.naps) continue;
    await ctx.sleep(`nap-${i}`, 30);
    pass(folder, "body.woken");
  }
  if (script.steps === 0) await work(script, ctx);
  if (ctx.attempt <= script.failures) throw new Error("as its script says");
  if (script.finale === "fatal") throw new FatalError("as its script says");
  if (script.finale === "skip") ctx.skip("as its script says");
  if (script.finale === "sit") await sit(ctx);
  command?.kill("SIGKILL");
  write(ctx, "returning");
  pass(folder, "body.returning");
  return { run: ctx.run.id, epoch: ctx.epoch };
}

/** Until it is told to end. */
async function sit({ abortSignal }: TaskContext): Promise<void> {
  const alive = setInterval(() => undefined, 60_000);
  await new Promise<void>((resolve) => {
    if (abortSignal.aborted) resolve();
    else abortSignal.addEventListener("abort", () => resolve(), { once: true });
  });
  clearInterval(alive);
  pass(folder, "body.aborted");
}

/** Waits, and is cleaned up as long as there is no file `go`. */
export const tidy = task(
  {
    id: "tidy",
    onCancel: async (_input: unknown, ctx) => {
      write(ctx, "cleaning");
      while (!existsSync(join(folder, "go"))) await new Promise((resolve) => setTimeout(resolve, 20));
      await ctx.step("cleaned", () => write(ctx, "cleaned"));
    },
  },
  async (_input: unknown, ctx) => {
    write(ctx, "begun");
    await ctx.sleep("night", "8h");
  },
);

export const unit = task({ id: "unit" }, (input: Script, ctx) => act(input, ctx));
export const metered = task({ id: "metered" }, (input: Script, ctx) => act(input, ctx));
export const sitter = task({ id: "sitter" }, (input: Script, ctx) => act(input, ctx));
