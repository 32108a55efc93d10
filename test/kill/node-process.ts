import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, openSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Question, Told } from "./node.ts";
import { processesWithin, processOf, until } from "./processes.ts";

const compileCache = process.env.NODE_COMPILE_CACHE ?? join(tmpdir(), "node-compile-cache");
const program = join(import.meta.dirname, "node.ts");

export interface NodeStart {
  readonly folder: string;
  /** Unlike that of any other process of the campaign. */
  readonly name: string;
  readonly address: string;
  readonly leaseMs: number;
  readonly concurrency: number;
  /** It hears no rings. */
  readonly deaf: boolean;
  /** Where the services are that it calls; absent: there are none, and none of their points. */
  readonly clouds?: string;
}

type Ready = Extract<Told, { ready: unknown }>["ready"];
type Answer = Exclude<Told, { ready: unknown }>;

/** A question without its number. */
export type Asked = Question extends infer Q ? (Q extends Question ? Omit<Q, "id"> : never) : never;

/** A node in a process of its own. */
export class NodeProcess {
  readonly name: string;
  /** Its children carry this in their environment. */
  readonly folder: string;
  readonly ready: Promise<Ready>;
  readonly exited: Promise<unknown>;
  readonly #process: ChildProcess;
  readonly #asked = new Map<number, (answer: Answer | undefined) => void>();
  #guard: number | undefined;
  /** The one that it was when it had started: one that is judged gone joins anew as another. */
  memberId: string | undefined;
  isReady = false;
  hasExited = false;

  constructor({ folder, name, address, leaseMs, concurrency, deaf, clouds }: NodeStart) {
    this.name = name;
    this.folder = join(folder, name);
    mkdirSync(this.folder);
    // Else each node, and the first child of each, would compile everything anew.
    mkdirSync(compileCache, { recursive: true });
    symlinkSync(compileCache, join(this.folder, "node-compile-cache"));
    const output = openSync(join(folder, `${name}.log`), "w");
    const given = [folder, address, String(leaseMs), String(concurrency), String(deaf)];
    this.#process = fork(program, clouds === undefined ? given : [...given, clouds], {
      execArgv: ["--conditions=@holdfast/source", "--disable-warning=ExperimentalWarning"],
      env: { ...process.env, TMPDIR: this.folder, NODE_COMPILE_CACHE: compileCache },
      stdio: ["ignore", output, output, "ipc"],
    });
    this.exited = once(this.#process, "exit").then(() => this.#hasGone());
    const ready = Promise.withResolvers<Ready>();
    this.ready = ready.promise;
    void this.exited.then(() => ready.reject(new Error(`${name} ended before it was ready`)));
    ready.promise.catch(() => undefined);
    this.#process.on("message", (told: Told) => {
      if (!("ready" in told)) return this.#answered(told);
      this.#guard = told.ready.guard;
      this.memberId = told.ready.memberId;
      this.isReady = true;
      ready.resolve(told.ready);
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Undefined when it ended before it answered. */
  ask(question: Asked): Promise<Answer | undefined> {
    if (this.hasExited) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const id = this.#asked.size + 1;
      this.#asked.set(id, resolve);
      this.#process.send({ id, ...question } as Question, (error) => {
        if (error !== null) resolve(undefined);
      });
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  /** Kills it, and waits until nothing of it is left: no child, nothing that a child has started, no guard. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.exited;
    await this.vanished();
  }

  /** Stops in order. */
  async stop(): Promise<void> {
    if (this.hasExited) return;
    this.#process.send("stop", () => undefined);
    await this.exited;
    await this.vanished();
  }

  async vanished(): Promise<void> {
    const left = () => {
      const guard = this.#guard === undefined ? undefined : processOf(this.#guard);
      const isGuard = guard?.command.includes("holdfast-guard") === true;
      return [...processesWithin(this.folder), ...(isGuard && guard !== undefined ? [guard] : [])];
    };
    try {
      await until(`nothing is left of ${this.name}`, () => (left().length === 0 ? true : undefined), 30_000);
    } catch (error) {
      throw new Error(`orphans: ${JSON.stringify(left())}`, { cause: error });
    }
  }

  #answered(answer: Answer): void {
    this.#asked.get(answer.id)?.(answer);
  }

  #hasGone(): void {
    this.hasExited = true;
    for (const resolve of this.#asked.values()) resolve(undefined);
  }
}
