// Step 5 of 6: the child carries out one activation at a time. The only entry of a child process: it says hello, waits to
// be told what to run, runs it through body.ts and says how it went. No user code is loaded before it is told.

import { AsyncLocalStorage } from "node:async_hooks";
import { readFileSync, writeSync } from "node:fs";
import { enableCompileCache } from "node:module";
// Not the globals of these names: a body may replace them (fake timers), and its end has to be said all the same.
import { setImmediate, setTimeout } from "node:timers";
import type { ActivationStart, ChannelCall, Command } from "@holdfast/protocol";
import type { Outcome } from "./body.ts";
import type { TaskData } from "./definition.ts";

// Before anything else is loaded, so that it is loaded from the cache: a child is to speak within tens of milliseconds.
enableCompileCache();
const { isAppError } = await import("@holdfast/protocol");
const { ChannelSocket } = await import("./channel-socket.ts");
const { failure, loadFailure, loadTask, runBody, settle } = await import("./body.ts");
const { leftovers, lookBefore } = await import("./leftovers.ts");
const { registerModuleHook, takeCode } = await import("./module-hook.ts");

// Stacks name the lines that the user wrote, not those of the transformed text.
process.setSourceMapsEnabled(true);

interface Current {
  readonly nonce: string;
  readonly abort: AbortController;
  /** What the body, or something that it left to happen on its own, threw outside its promise. */
  readonly uncaught: PromiseWithResolvers<Outcome>;
  thrown: Outcome | undefined;
}

/** For whom something runs, whenever it does: a timer of a body that has returned may go off while another body is at work. */
const doneFor = new AsyncLocalStorage<Current>();

let projectRoot = process.cwd();
let current: Current | undefined;
/** What was imported stays as it was imported, so that a warm child need not look for it again. */
let loaded: { readonly source: string; readonly task: TaskData } | undefined;

const channel = new ChannelSocket(Number(process.env.HOLDFAST_CHANNEL_FD ?? "3"), obey, leave);
channel.hello(sdkVersion());

// Made now, so that their descriptors are not taken for something that a body left behind.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

process.on("uncaughtException", (error) => {
  if (current === undefined) {
    console.error(error);
    process.exit(1);
  }
  if (isOfAnother()) blameNobody(error instanceof Error ? (error.stack ?? error.message) : String(error));
  current.thrown ??= failure(error, projectRoot);
  current.uncaught.resolve(current.thrown);
});

process.on("exit", (code) => {
  if (isOfAnother()) blameNobody(`process.exit(${code})`);
});

/** Whether what happens now was begun by a body that has returned. */
function isOfAnother(): boolean {
  const whose = doneFor.getStore();
  return whose !== undefined && whose !== current;
}

/** The body at work is not to be failed for what an earlier one left: this process ends as one that somebody else has ended. */
function blameNobody(what: string): void {
  writeSync(2, `A run that had this process before left something behind that ends it now: ${what}\n`);
  process.removeAllListeners("SIGTERM");
  process.kill(process.pid, "SIGTERM");
}

function obey(command: Command): void {
  switch (command.method) {
    case "welcome":
      projectRoot = command.params.projectRoot;
      process.chdir(projectRoot);
      registerModuleHook();
      return;
    case "activation.start":
      void carryOut(command.params);
      return;
    case "activation.abort":
      if (current?.nonce === command.params.nonce) current.abort.abort(new Error(command.params.reason));
      return;
    case "goodbye":
      process.exit(0);
  }
}

async function carryOut(start: ActivationStart): Promise<void> {
  const abort = new AbortController();
  const running: Current = { nonce: start.nonce, abort, uncaught: Promise.withResolvers(), thrown: undefined };
  current = running;
  const call = channel.calls(start.nonce);
  enterTrace(start);
  const { outcome, clean } = await Promise.race<{ outcome: Outcome | undefined; clean: () => boolean }>([
    doneFor.run(running, () => bodyOutcome(start, call, abort.signal)),
    running.uncaught.promise.then((thrown) => ({ outcome: thrown, clean: () => false })),
  ]);
  // Its run waits: this process is ended from outside, with whatever the body is doing beside the wait.
  if (outcome === undefined) return;
  // In one turn of the loop, what the body left to happen right away has happened.
  await new Promise((resolve) => setImmediate(resolve));
  for (const stream of [process.stdout, process.stderr]) if (stream.writableLength > 0) await written(stream);
  const said = settle(call, running.thrown ?? outcome, pause);
  const { loaded: code, complete } = takeCode();
  channel.returned(start.nonce, { clean: running.thrown === undefined && complete && clean(), loaded: code });
  await said.catch(unsaid);
  current = undefined;
}

/** Where libraries and the commands that a body starts look for the trace to go on with. */
function enterTrace({ traceparent }: ActivationStart): void {
  if (traceparent === undefined) delete process.env.TRACEPARENT;
  else process.env.TRACEPARENT = traceparent;
}

async function bodyOutcome(start: ActivationStart, call: ChannelCall, abortSignal: AbortSignal) {
  try {
    const task = await loadOnce(start);
    const before = lookBefore();
    const outcome = await runBody({ task, start, call, abortSignal, projectRoot });
    return { outcome, clean: () => leftovers(before).length === 0 };
  } catch (thrown) {
    return { outcome: loadFailure(thrown, projectRoot), clean: () => false };
  }
}

async function loadOnce(start: ActivationStart): Promise<TaskData> {
  const source = `${JSON.stringify(start.source)}\n${start.run.definition}`;
  if (loaded?.source !== source) {
    loaded = { source, task: await loadTask(start, projectRoot) };
    channel.loaded(start.nonce);
  }
  return loaded.task;
}

/** Refused: the supervisor ends this process. Else nobody would ever hear of the activation again. */
function unsaid(error: unknown): void {
  if (isAppError(error, "stale_epoch") || isAppError(error, "run_ended")) return;
  console.error(`The end of the body could not be said: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}

/** What a body printed has to be in the pipe before its end is said, so that it is heard before that. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write("", () => resolve()));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The supervisor has gone: nobody will hear this process, so it ends with everything that it started. */
function leave(reason: string, code: string | undefined): void {
  if (code === "EBADF") {
    // It is there still, and ends the rest.
    console.error(`The body closed the channel's descriptor, which is not its own: ${reason}`);
    process.exit(1);
  }
  try {
    process.kill(-process.pid, "SIGKILL");
  } catch {
    process.exit(1); // not the leader of a group of its own
  }
}

function sdkVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return String((JSON.parse(text) as { readonly version?: unknown }).version);
}
