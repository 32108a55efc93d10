import { isEnded, type LogLineView, type RunEventView } from "@holdfast/protocol";
import { connected } from "./connection.ts";
import { exitCodes } from "./failures.ts";
import { hearInterruption } from "./interruption.ts";
import { logText } from "./log-text.ts";
import { readNumber } from "./number-flags.ts";
import { type FollowFlags, Patience, readPatience } from "./patience.ts";
import type { CommonFlags } from "./project.ts";
import { RunTree } from "./run-tree.ts";
import { type Viewer, watchRun } from "./run-watch.ts";
import type { Terminal } from "./terminal.ts";
import { clockText } from "./times.ts";

// What has happened to a run, and what happens while one looks. Followed under --json, each line is a JSON value of its own.

const waitMs = 25_000;

export interface LogFlags extends CommonFlags, FollowFlags {
  readonly follow?: boolean;
}

/** `holdfast runs logs RUN`: its own lines and those of what it started; so far in the order of writing, then as they come. */
export function logs(terminal: Terminal, id: string, flags: LogFlags): Promise<number> {
  const patienceMs = readPatience(flags);
  const follow = flags.follow === true;
  return connected(terminal, flags, async ({ plane, watched }) => {
    const interruption = hearInterruption();
    const { signal } = interruption;
    const root = await plane.getRun(id);
    const printer = new LogPrinter(terminal, { isNamed: root.kind !== "task", follow });
    const tree = new RunTree(root);
    await watchRun(root, { plane: watched, tree, viewer: printer, fromStart: true, follow, patienceMs, signal });
    interruption.stop();
    if (!follow) terminal.answer({ lines: printer.lines });
    return signal.aborted ? exitCodes.interrupted : exitCodes.done;
  });
}

/** Prints lines as they come; those that were written before it came, in the order of writing. */
class LogPrinter implements Viewer {
  readonly lines: LogLineView[] = [];
  readonly #terminal: Terminal;
  readonly #isNamed: boolean;
  readonly #follow: boolean;
  readonly #names = new Map<string, string>();
  #isLoaded = false;

  constructor(terminal: Terminal, { isNamed, follow }: { readonly isNamed: boolean; readonly follow: boolean }) {
    this.#terminal = terminal;
    this.#isNamed = isNamed;
    this.#follow = follow;
  }

  wrote(line: LogLineView, name: string): void {
    this.#names.set(line.runId, name);
    if (this.#isLoaded) this.#print(line);
    else this.lines.push(line);
  }

  loaded(): void {
    this.#isLoaded = true;
    for (const line of this.lines.sort((a, b) => Date.parse(a.at) - Date.parse(b.at))) this.#print(line);
  }

  changed(): void {
    // What becomes of the runs is not asked for.
  }

  say(text: string): void {
    this.#terminal.note(text);
  }

  #print(line: LogLineView): void {
    this.#terminal.print(logText(this.#terminal, line, this.#isNamed ? this.#names.get(line.runId) : undefined));
    if (this.#follow) this.#terminal.answerLine(line);
  }
}

export interface EventFlags extends CommonFlags, FollowFlags {
  readonly follow?: boolean;
  readonly after?: string;
}

/** `holdfast runs events RUN`: by their numbers, which have no gaps. */
export function events(terminal: Terminal, id: string, flags: EventFlags): Promise<number> {
  const from = flags.after === undefined ? 0 : readNumber("--after", flags.after, { min: 0, max: 2 ** 31 });
  const limitMs = readPatience(flags);
  const follow = flags.follow === true;
  return connected(terminal, flags, async ({ plane, watched }) => {
    const interruption = hearInterruption();
    const { signal } = interruption;
    const patience = new Patience({ limitMs, say: (text) => terminal.note(text) });
    const all: RunEventView[] = [];
    let run = await plane.getRun(id);
    for (let after = from; ; ) {
      // Looked at before the events: a run that has ended by then has no more of them than are there.
      const isOver = isEnded(run.status);
      const query = { after, waitMs: follow && !isOver ? waitMs : 0 };
      const page = await patience.ask(() => watched.listEvents(run.id, query, signal), signal);
      if (page === undefined) break;
      after = page.last;
      for (const event of page.events) {
        terminal.print(eventText(terminal, event));
        if (follow) terminal.answerLine(event);
        else if (terminal.json) all.push(event);
      }
      if (page.events.length === 0 && (isOver || !follow)) break;
      run = (await patience.ask(() => watched.getRun(run.id), signal)) ?? run;
    }
    interruption.stop();
    if (!follow) terminal.answer({ events: all });
    return signal.aborted ? exitCodes.interrupted : exitCodes.done;
  });
}

function eventText({ colors }: Terminal, { number, type, at, data }: RunEventView): string {
  const text = JSON.stringify(data);
  const details = text === "{}" || text === "null" ? "" : ` ${colors.dim(text)}`;
  return `${colors.dim(String(number).padStart(4))} ${colors.dim(clockText(Date.parse(at)))} ${type}${details}`;
}
