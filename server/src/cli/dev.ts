import { compileProject } from "../compile/compile.ts";
import type { Settings } from "../config.ts";
import { version } from "../version.ts";
import { counted, leftLines, leftSchedules, scheduleChanges } from "./definitions.ts";
import { findDev } from "./dev-file.ts";
import { exitCodes, problemText, UsageError } from "./failures.ts";
import { type Hosted, startHosting } from "./hosting.ts";
import { hearInterruption, untilAborted } from "./interruption.ts";
import { type CommonFlags, type ListenFlags, openProject } from "./project.ts";
import { toldStop } from "./stopping.ts";
import { shownStore } from "./store-address.ts";
import { tell } from "./telling.ts";
import type { Terminal } from "./terminal.ts";
import { openTerminalLog } from "./terminal-log.ts";
import { lengthText } from "./times.ts";
import { SourceWatcher } from "./watching.ts";

const graceMs = 5_000;

interface DevFlags extends CommonFlags, ListenFlags {
  /** Do not show what bodies write. */
  readonly quiet?: boolean;
}

/** `holdfast dev`: server and node on this project's store; definitions follow the files. */
export async function dev(terminal: Terminal, flags: DevFlags): Promise<number> {
  const startedMs = performance.now();
  // The control plane is loaded while the configuration is read in another process.
  const [settings] = await Promise.all([openProject(terminal, flags), import("../main.ts")]);
  const other = await findDev(settings.root);
  if (other !== undefined) {
    throw new UsageError(
      `holdfast dev runs already for this project: ${other.url} (process ${other.pid}).`,
      "Use it: holdfast run finds it by itself. Or end it first.",
    );
  }
  const interruption = hearInterruption();
  const hosted = await startHosting(settings, {
    announce: true,
    role: "either",
    mockJobs: true,
    token: flags.token,
    log: openTerminalLog(terminal, "warn"),
  });
  const { url, connection } = hosted;
  const { colors } = terminal;
  const readyMs = Math.round(performance.now() - startedMs);
  terminal.answer({ url, root: settings.root, store: settings.store, pid: process.pid });
  terminal.note(`${colors.bold("holdfast")} ${version}  ${colors.cyan(url)}  ${colors.dim(`ready in ${readyMs} ms`)}`);
  terminal.note(colors.dim(`${settings.root}  ${shownStore(settings.store)}`));
  const compiler = new Compiler(terminal, settings, hosted, interruption.signal);
  const watcher = new SourceWatcher(settings.root, (files) => compiler.changed(files));
  if (watcher.isPartial) terminal.note("The project has too many folders to watch them all.");
  compiler.changed([]);
  const isQuiet = flags.quiet === true || terminal.json;
  const telling = tell(terminal, connection.plane, { isQuiet, signal: interruption.signal });
  try {
    await untilAborted(interruption.signal);
    terminal.note("\nStopping. What has not ended goes on at the next start.");
    return exitCodes.done;
  } finally {
    watcher.close();
    await compiler.idle();
    await toldStop(terminal, exitCodes.interrupted, async (tell) => {
      await hosted.close({ graceMs, tell });
      await telling;
    });
    interruption.stop();
  }
}

/** Compiles after changes, one at a time; what does not compile leaves the definitions as they were. */
class Compiler {
  readonly #terminal: Terminal;
  readonly #settings: Settings;
  readonly #hosted: Hosted;
  readonly #stop: AbortSignal;
  #current: Promise<void> | undefined;
  #again = false;
  #isFirst = true;
  /** The definitions of the last compilation that succeeded. */
  #defined: readonly string[] = [];
  /** What goes on starting by itself though no file defines it: told once. */
  #left: readonly string[] = [];

  constructor(terminal: Terminal, settings: Settings, hosted: Hosted, stop: AbortSignal) {
    this.#stop = stop;
    this.#terminal = terminal;
    this.#settings = settings;
    this.#hosted = hosted;
  }

  changed(files: readonly string[]): void {
    if (files.some((file) => /^holdfast\.config\./.test(file))) {
      this.#terminal.note("The configuration has changed: restart holdfast dev to use it.");
    }
    if (this.#current !== undefined) this.#again = true;
    else this.#current = this.#compileAll();
  }

  async idle(): Promise<void> {
    this.#again = false;
    await this.#current;
  }

  async #compileAll(): Promise<void> {
    do {
      this.#again = false;
      try {
        await this.#compile();
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        this.#terminal.note(`${this.#terminal.colors.red("error")} The definitions could not be applied: ${message}`);
      }
    } while (this.#again);
    this.#current = undefined;
  }

  async #compile(): Promise<void> {
    const terminal = this.#terminal;
    const { root, include, connections, python } = this.#settings;
    const startedMs = performance.now();
    const onOutput = (text: string): void => terminal.relay(terminal.colors.dim(text.trimEnd()));
    const { manifests, schedules, problems } = await compileProject({
      ...{ root, include, connections, python, onOutput },
      signal: this.#stop,
    });
    if (this.#stop.aborted) return;
    this.#hosted.forgetCode();
    if (problems.length > 0) {
      terminal.note(problemText(terminal, problems));
      if (!this.#isFirst) terminal.note("The definitions stay as they were.");
      this.#isFirst = false;
      return;
    }
    const applied = await this.#hosted.connection.plane.apply(
      manifests.map(({ manifest }) => manifest),
      schedules,
    );
    const { changed } = applied;
    const took = terminal.colors.dim(lengthText(performance.now() - startedMs));
    if (this.#isFirst) terminal.note(`${counted(manifests.length, "definition")} ${took}`);
    else if (changed.length > 0) terminal.note(`changed: ${changed.join(", ")} ${took}`);
    else terminal.note(`reloaded ${took}`);
    this.#tellGone(manifests.map(({ id }) => id));
    for (const line of scheduleChanges(applied.schedules)) terminal.note(line);
    const left = leftLines(await leftSchedules(this.#hosted.connection.plane, manifests));
    for (const line of left.filter((known) => !this.#left.includes(known))) terminal.note(line);
    this.#left = left;
    this.#isFirst = false;
  }

  /** What no file defines any more stays applied, and its bodies cannot be loaded. */
  #tellGone(defined: readonly string[]): void {
    const gone = this.#defined.filter((id) => !defined.includes(id));
    this.#defined = defined;
    if (gone.length === 0) return;
    const runs = gone.length === 1 ? "no run of it can begin" : "no run of them can begin";
    this.#terminal.note(`gone: ${gone.join(", ")}: no file defines what was here before, ${runs}`);
  }
}
