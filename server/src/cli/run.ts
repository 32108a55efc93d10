import { randomUUID } from "node:crypto";
import {
  AppError,
  isAppError,
  isEnded,
  isStoreGone,
  type Json,
  limits,
  nameHint,
  type RunStatus,
  type RunView,
  runStatuses,
  type StartRun,
} from "@holdfast/protocol";
import type { ControlPlane } from "@holdfast/sdk/client";
import type { CompiledManifest } from "../compile/compile.ts";
import { findFiles } from "../compile/files.ts";
import type { Settings } from "../config.ts";
import type { StopOptions } from "../main.ts";
import { type Connection, type EmbeddedConnection, namedServer, openEmbedded, runningDev } from "./connection.ts";
import { compilePaths, counted, findManifest, looksLikeFile, mainManifest } from "./definitions.ts";
import { exitCodes, UsageError } from "./failures.ts";
import { followRun } from "./following.ts";
import { givenJson } from "./given-json.ts";
import { startHosting } from "./hosting.ts";
import { hearInterruption, untilAborted } from "./interruption.ts";
import { type FollowFlags, readPatience } from "./patience.ts";
import { type CommonFlags, type ListenFlags, openProject } from "./project.ts";
import { outcomeText } from "./run-text.ts";
import { toldStop } from "./stopping.ts";
import type { Terminal } from "./terminal.ts";
import { openTerminalLog } from "./terminal-log.ts";

/** Whoever interrupts lets bodies end as they are told to, and the store hear of it. A second interruption ends all at once. */
const interruptedMs = limits.abortGraceMs + limits.termGraceMs + 5_000;
/** How long tasks of other runs, which this process has begun, may go on after the run that it was started for. */
const othersGraceMs = 5_000;

export interface RunFlags extends CommonFlags, ListenFlags, FollowFlags {
  readonly input?: string;
  readonly key?: string;
  readonly id?: string;
  /** False with --no-wait. */
  readonly wait?: boolean;
  /** Go on with an unfinished run of this definition, if there is one. */
  readonly resume?: boolean;
  /** Serve HTTP meanwhile, and after the end until interrupted. */
  readonly serve?: boolean;
  /** Do not show what bodies write. */
  readonly quiet?: boolean;
}

/** `holdfast run FILE|ID`: applies, starts, shows progress. Answers the exit code. */
export async function run(terminal: Terminal, target: string, flags: RunFlags): Promise<number> {
  if (flags.resume === true && (flags.input !== undefined || flags.key !== undefined)) {
    throw new UsageError("--resume goes on with what was started before.", "Leave out --input and --key.");
  }
  if (flags.key === "") throw new UsageError("The key is empty.", "Name what the run is for: --key order-17.");
  if (flags.port !== undefined && flags.serve !== true) {
    throw new UsageError("--port says where to serve, and nothing is served.", "Add --serve, or leave out --port.");
  }
  const input = flags.input === undefined ? undefined : givenJson(flags.input, givenInput);
  const patienceMs = readPatience(flags);
  const settings = await openProject(terminal, flags);
  const interruption = hearInterruption({ patienceMs: interruptedMs });
  const elsewhere = namedServer(flags) ?? (await runningDev(settings, flags));
  const isElsewhere = elsewhere !== undefined;
  // The control plane is loaded while the target is compiled in another process.
  const [compiled] = await Promise.all([
    compileTarget(terminal, target, { settings, isElsewhere }),
    isElsewhere ? undefined : import("../main.ts"),
  ]);
  let isGone = false;
  const engine = elsewhere === undefined ? await openEngine(terminal, settings, flags) : remoteEngine(elsewhere);
  try {
    const { plane } = engine.connection;
    const definition = await applyTarget(plane, target, { compiled, flags });
    const { run, existing } = await start(plane, { definition, input, flags });
    if (flags.wait === false) return await answerStarted(terminal, { run, existing, engine });
    await engine.work();
    const dim = terminal.colors.dim;
    terminal.note(existing ? `Following run ${run.id}, which was started before.` : dim(`run ${run.id}`));
    const isQuiet = flags.quiet === true || terminal.json;
    const followed = { run, existing, isQuiet, patienceMs, signal: interruption.signal };
    const ended = await followRun(terminal, engine.connection.watched, followed).catch((error: unknown) => {
      isGone = isStoreGone(error);
      throw isAppError(error, "store_unavailable") && !isGone ? outOfSight(error, run) : error;
    });
    if (ended === undefined) return sayInterrupted(terminal, { run, engine, flags });
    terminal.answer(ended);
    // What ended is told whatever becomes of the store since.
    const why = ended.error === null ? undefined : await plane.explainRun(ended.id).catch(() => undefined);
    outcomeText(terminal, ended, why);
    if (engine.url !== undefined) {
      terminal.note(`\nServing ${engine.url} until Ctrl-C.`);
      await untilAborted(interruption.signal);
    }
    // A task that found nothing to do has not failed.
    const isDone = ended.status === "succeeded" || ended.error?.code === "skipped_by_task";
    return isDone ? exitCodes.done : exitCodes.failed;
  } finally {
    // Tasks of other runs may have begun here: they may end, unless somebody is in a hurry.
    const graceMs = interruption.signal.aborted || isGone ? 0 : othersGraceMs;
    await toldStop(terminal, exitCodes.interrupted, (tell) => engine.close({ graceMs, tell }));
    interruption.stop();
  }
}

/** Who carries the run out. */
interface Engine {
  readonly connection: Connection;
  /** Where this process serves. */
  readonly url?: string;
  /** How many others carry runs of this store out. */
  nodes?(): Promise<number>;
  /** Begins to carry runs out, where that is this process's own work. */
  work(): Promise<void>;
  /** Lets what runs here end. */
  close(stop: StopOptions): Promise<void>;
}

function remoteEngine(connection: Connection): Engine {
  return { connection, work: async () => undefined, close: connection.close };
}

async function openEngine(terminal: Terminal, settings: Settings, flags: RunFlags): Promise<Engine> {
  // What becomes of the run is shown; the rest would stand in the middle of it.
  const log = openTerminalLog(terminal, "silent");
  if (flags.serve === true) {
    const hosted = await startHosting(settings, { announce: true, role: "either", token: flags.token, log });
    const { connection, url, close } = hosted;
    return { connection, url, work: async () => undefined, close };
  }
  const connection: EmbeddedConnection = await openEmbedded(settings, { log });
  const work = async () => void (await connection.work({ schedules: false }));
  return { connection, work, nodes: () => connection.services.reasons.nodes(), close: connection.close };
}

/** What the target's file, or for an id the project's files, define here; undefined where others know it. */
async function compileTarget(
  terminal: Terminal,
  target: string,
  { settings, isElsewhere }: { settings: Settings; isElsewhere: boolean },
): Promise<readonly CompiledManifest[] | undefined> {
  if (looksLikeFile(target)) return (await compilePaths(terminal, settings, [target], { isElsewhere })).manifests;
  // A server has what was applied to it, and `dev` keeps what it serves up to date by itself.
  if (isElsewhere) return undefined;
  // Nothing need be a project to run what its store knows.
  const isProject =
    settings.configFile !== undefined || (await findFiles(settings.root, settings.include)).files.length > 0;
  if (!isProject) return undefined;
  return (await compilePaths(terminal, settings, [])).manifests;
}

/** Makes what was compiled current. Answers the id of the definition to run. */
async function applyTarget(
  plane: ControlPlane,
  target: string,
  { compiled, flags }: { compiled: readonly CompiledManifest[] | undefined; flags: RunFlags },
): Promise<string> {
  const isFile = compiled !== undefined && looksLikeFile(target);
  const chosen = isFile
    ? flags.id === undefined
      ? mainManifest(compiled, target)
      : findManifest(compiled, flags.id)
    : undefined;
  if (compiled !== undefined) await plane.apply(compiled.map(({ manifest }) => manifest));
  if (chosen !== undefined) return chosen.id;
  const ids = (await plane.listDefinitions()).map(({ id }) => id);
  if (ids.includes(target)) return target;
  const known = ids.length === 0 ? "Name a file that exports one: holdfast run FILE." : nameHint(target, ids);
  // A server keeps what it had while a file has a mistake.
  const mistaken = compiled === undefined ? " Should its file have a mistake, `holdfast validate` says which." : "";
  throw new UsageError(`There is no definition "${target}".`, `${known}${mistaken}`);
}

interface Starting {
  readonly definition: string;
  readonly input: Json | undefined;
  readonly flags: RunFlags;
}

async function start(
  plane: ControlPlane,
  { definition, input, flags }: Starting,
): Promise<{ run: RunView; existing: boolean }> {
  if (flags.resume === true) {
    const { runs } = await plane.listRuns({ definition, statuses: unfinished, limit: 1 });
    const [run] = runs;
    if (run !== undefined) return { run, existing: true };
  }
  const request: StartRun = {
    definition,
    ...(input === undefined ? {} : { input }),
    ...(flags.key === undefined ? {} : { key: flags.key }),
  };
  return plane.startRun(request, randomUUID());
}

const givenInput = { flag: "--input", what: "The input", maxBytes: limits.inputBytes };

const unfinished: readonly RunStatus[] = runStatuses.filter((status) => !isEnded(status));

interface Started {
  readonly run: RunView;
  readonly existing: boolean;
  readonly engine: Engine;
}

async function answerStarted(terminal: Terminal, { run, existing, engine }: Started): Promise<number> {
  terminal.answer({ run, existing });
  terminal.print(run.id);
  terminal.note(existing ? "It was started before." : "Started.");
  if (engine.connection.kind === "embedded" && engine.url === undefined) {
    const nodes = (await engine.nodes?.()) ?? 0;
    terminal.note(
      nodes === 0
        ? "No server is running here: it begins with the next holdfast dev or holdfast run."
        : `It begins as soon as a node has room: ${counted(nodes, "node")} of this store ${nodes === 1 ? "is" : "are"} there.`,
    );
  }
  return exitCodes.done;
}

interface Interrupted {
  readonly run: RunView;
  readonly engine: Engine;
  readonly flags: RunFlags;
}

function sayInterrupted(terminal: Terminal, { run, engine, flags }: Interrupted): number {
  const goesOn = whereItGoesOn(run, engine, flags);
  terminal.answer({ error: { code: "interrupted", message: `Run ${run.id} has not ended. ${goesOn}` } });
  terminal.note(`\nInterrupted; run ${run.id} has not ended.\n${goesOn}`);
  return exitCodes.interrupted;
}

function whereItGoesOn(run: RunView, { connection: { kind, address } }: Engine, flags: RunFlags): string {
  if (kind !== "embedded") return `It goes on at ${address}. To end it: holdfast runs cancel ${run.id}`;
  if (flags.resume === true || flags.key !== undefined) return "It goes on when you give the same command again.";
  return "It goes on at the next start: holdfast dev, or holdfast run with --resume.";
}

/** What befell is the store's or the server's; the run itself has not failed. */
function outOfSight(error: AppError, run: RunView): AppError {
  const hint =
    `Run ${run.id} has not ended by that: it goes on as soon as a server and its store are there. ` +
    `Look at it then: holdfast runs show ${run.id}, or holdfast runs logs ${run.id} -f`;
  return new AppError(error.code, error.message, { hint, cause: error });
}
