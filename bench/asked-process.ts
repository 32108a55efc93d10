import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { endWithUs } from "./leftovers.ts";
import type { Row, SystemName } from "./plan.ts";
import type { Question, Sizes, Subject, SubjectOptions } from "./subjects/subject.ts";

const answerMs = 3_600_000;
const endMs = 30_000;

/** A system under measurement in a process of its own, which ends with this one. */
export class AskedProcess {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async open(row: Row, store: string, execArgv: readonly string[] = []): Promise<AskedProcess> {
    const { system, concurrency, isTuned, inProcesses, inPython = false } = row;
    const child = fork(subjectFile(system), {
      execArgv: ["--conditions=@holdfast/source", "--no-warnings", ...execArgv],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    endWithUs(child);
    const asked = new AskedProcess(child);
    const options: SubjectOptions = { store, concurrency, isTuned, inProcesses, inPython };
    try {
      await asked.#ask("open", options);
      return asked;
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
  }

  ask(question: Question, sizes: Sizes): Promise<number[]> {
    return this.#ask(question, sizes);
  }

  async close(): Promise<void> {
    const exited = this.#child.exitCode === null && this.#child.signalCode === null ? once(this.#child, "exit") : null;
    const killing = setTimeout(() => this.#child.kill("SIGKILL"), endMs);
    try {
      await this.#ask("close", {}).finally(() => this.#child.disconnect());
      await exited;
    } finally {
      clearTimeout(killing);
      this.#child.kill("SIGKILL");
    }
  }

  #ask(ask: keyof Subject, given: object): Promise<number[]> {
    const child = this.#child;
    return new Promise((resolve, reject) => {
      const over = (act: () => void) => {
        child.off("message", hear);
        child.off("exit", ended);
        clearTimeout(timer);
        act();
      };
      const hear = (message: unknown): void => {
        const { numbers, error } = message as { numbers?: number[]; error?: string };
        over(() => (numbers === undefined ? reject(new Error(error)) : resolve(numbers)));
      };
      const ended = (): void => over(() => reject(new Error(`it ended while it was asked for ${ask}`)));
      const timer = setTimeout(() => over(() => reject(new Error(`no answer to ${ask}`))), answerMs);
      child.once("message", hear);
      child.once("exit", ended);
      child.send({ ask, with: given });
    });
  }
}

function subjectFile(system: SystemName): string {
  return join(import.meta.dirname, "subjects", `${system}.ts`);
}
