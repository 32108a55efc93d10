import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { endWithUs } from "../leftovers.ts";

interface Said {
  readonly answer?: unknown;
  readonly error?: string;
  readonly resumed?: string;
  readonly at?: string;
}

/** A process of this folder that is asked by one question at a time, and may tell of bodies that go on. */
export class Asked {
  readonly #child: ChildProcess;
  readonly #resumed = new Map<string, PromiseWithResolvers<bigint>>();
  #answer: PromiseWithResolvers<unknown> = Promise.withResolvers();
  /** What it said when it was ready. */
  readonly ready: Promise<unknown>;

  constructor(name: string, options: { readonly argument?: object; readonly execArgv?: readonly string[] } = {}) {
    const { argument = {}, execArgv = [] } = options;
    this.#child = fork(join(import.meta.dirname, name), [JSON.stringify(argument)], {
      execArgv: ["--conditions=@holdfast/source", "--no-warnings", ...execArgv],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    endWithUs(this.#child);
    this.#child.on("message", (message) => this.#hear(message as Said));
    this.#child.once("exit", () => this.#answer.reject(new Error(`${name} has ended`)));
    this.ready = this.#answer.promise;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async ask<T>(question: object): Promise<T> {
    this.#answer = Promise.withResolvers();
    this.#child.send(question);
    return (await this.#answer.promise) as T;
  }

  /** When the body of this name went on behind its job. */
  resumed(name: string): Promise<bigint> {
    return this.#waited(name).promise;
  }

  /** Lets it end by itself: a profile is written then. */
  async end(): Promise<void> {
    this.#answer.promise.catch(() => undefined);
    const exited = once(this.#child, "exit");
    this.#child.disconnect();
    await exited;
  }

  async kill(): Promise<void> {
    this.#answer.promise.catch(() => undefined);
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }

  #waited(name: string): PromiseWithResolvers<bigint> {
    const known = this.#resumed.get(name) ?? Promise.withResolvers<bigint>();
    this.#resumed.set(name, known);
    return known;
  }

  #hear({ answer, error, resumed, at }: Said): void {
    if (resumed !== undefined) this.#waited(resumed).resolve(BigInt(at ?? 0));
    else if (error !== undefined) this.#answer.reject(new Error(error));
    else this.#answer.resolve(answer);
  }
}
