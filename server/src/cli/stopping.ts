import { limits } from "@holdfast/protocol";
import type { StopOptions } from "../main.ts";
import type { Terminal } from "./terminal.ts";

type StopWait = Parameters<NonNullable<StopOptions["tell"]>>[0];

/** What is over sooner needs no word. */
const slowMs = 1_000;
/** What is left to do once the store has been waited for: connections that do not answer either are closed. */
const closingMs = 5_000;
const shownNames = 3;

/**
 * Says what a stop waits for, once that is slow, and ends the process when the store that it waits for has not answered in time:
 * nothing is lost by that, since what was held here is taken over when its lease runs out (P1).
 */
class StopTeller {
  readonly #terminal: Terminal;
  readonly #exitCode: number;
  #slow: NodeJS.Timeout | undefined;
  #late: NodeJS.Timeout | undefined;
  #said: StopWait["of"] | undefined;

  constructor(terminal: Terminal, { exitCode }: { readonly exitCode: number }) {
    this.#terminal = terminal;
    this.#exitCode = exitCode;
  }

  readonly tell = (wait: StopWait): void => {
    clearTimeout(this.#slow);
    this.#slow = setTimeout(() => this.#say(wait), slowMs);
    if (wait.of === "store") this.#late ??= setTimeout(() => this.#end(), wait.forMs + closingMs);
  };

  stop(): void {
    clearTimeout(this.#slow);
    clearTimeout(this.#late);
  }

  #say(wait: StopWait): void {
    if (wait.of !== this.#said) this.#terminal.note(waitText(wait));
    this.#said = wait.of;
  }

  #end(): void {
    this.#terminal.note("The store has not answered: ended without a goodbye.");
    process.exit(this.#exitCode);
  }
}

/** Carries a stop out, and tells what it waits for. `exitCode`: with which the process ends where the store never answers. */
export async function toldStop(
  terminal: Terminal,
  exitCode: number,
  stop: (tell: (wait: StopWait) => void) => Promise<void>,
): Promise<void> {
  const teller = new StopTeller(terminal, { exitCode });
  try {
    await stop(teller.tell);
  } finally {
    teller.stop();
  }
}

/** What a stop waits for, in words. */
export function waitText({ of, names, forMs }: StopWait): string {
  const most = `${Math.ceil(forMs / 1_000)} s at most`;
  const others = names.length > shownNames ? ` and ${names.length - shownNames} more` : "";
  const what = `${names.slice(0, shownNames).join(", ")}${others}`;
  switch (of) {
    case "bodies":
      return `Waiting for ${what} to end, ${most}; what has not ended then goes on at the next start. A second Ctrl-C ends at once.`;
    case "ends": {
      const [abort, term] = [limits.abortGraceMs / 1_000, limits.termGraceMs / 1_000];
      const then = `what has not in ${abort} s gets TERM, and KILL ${term} s later`;
      return `Told ${what} to end: ${then}. It goes on at the next start. A second Ctrl-C ends at once.`;
    }
    case "jobs":
      return `Waiting for an answer of ${what}, which was asked to start or end a job, ${most}; whoever goes on with the job asks again. A second Ctrl-C ends at once.`;
    case "store":
      return `Waiting for the store to answer, ${most}. Nothing is lost: what was held here is taken over when its lease runs out.`;
  }
}
