/** A real Redis for tests, which syncs before it answers. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireRedis } from "../scripts/test-redis.ts";
import { freePort } from "./postgres.ts";

/** Ends Redis when its stdin closes, that is, when the process that started it is gone, even by SIGKILL. */
const guardScript = `"$@" & pid=$!; echo "pid $pid"; read -r _; kill -CONT $pid; kill -KILL $pid; wait $pid`;

export class TestRedis {
  readonly url: string;
  readonly #port: number;
  readonly #folder = mkdtempSync(join(tmpdir(), "hf-redis-"));
  readonly #settings: readonly string[];
  #guard: ChildProcess | undefined;
  #pid = 0;

  private constructor(port: number, settings: readonly string[]) {
    this.#port = port;
    this.#settings = settings;
    this.url = `redis://127.0.0.1:${port}/0`;
  }

  /** `settings`: what is otherwise, as on its command line. */
  static async start(settings: readonly string[] = []): Promise<TestRedis> {
    const redis = new TestRedis(await freePort(), settings);
    await redis.launch();
    return redis;
  }

  /** Starts it, also after a kill: it then reads what it had synced. */
  async launch(): Promise<void> {
    const usual = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""];
    const place = ["--port", String(this.#port), "--bind", "127.0.0.1", "--dir", this.#folder];
    const program = [requireRedis(), ...place, ...usual, ...this.#settings];
    const guard = spawn("sh", ["-c", guardScript, "guard", ...program], { stdio: ["pipe", "pipe", "ignore"] });
    this.#guard = guard;
    let said = "";
    for await (const text of guard.stdout.setEncoding("utf8")) {
      said += text;
      if (said.includes("Ready to accept connections")) break;
    }
    this.#pid = Number(/^pid (\d+)$/m.exec(said)?.[1]);
    if (!said.includes("Ready to accept connections")) throw new Error(`Redis did not start:\n${said}`);
  }

  kill(): Promise<void> {
    return this.#end();
  }

  freeze(): void {
    process.kill(this.#pid, "SIGSTOP");
  }

  thaw(): void {
    process.kill(this.#pid, "SIGCONT");
  }

  async stop(): Promise<void> {
    await this.#end();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #end(): Promise<void> {
    const guard = this.#guard;
    this.#guard = undefined;
    if (guard === undefined) return;
    const exited = once(guard, "exit");
    guard.stdin?.end();
    await exited;
  }
}
