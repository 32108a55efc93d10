/** The warehouse of examples/warehouse: a server of BigQuery's protocol in a process of its own, started again whenever it dies. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const usualPort = 4401;
/** So long a query takes at least, that there is something to wait for. */
const queryMs = 1_000;
const firstPauseMs = 100;
const longestPauseMs = 5_000;
const program = join(import.meta.dirname, "..", "test", "clouds", "main.ts");

export async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
    server.close();
    await once(server, "close");
    return true;
  } catch {
    return false;
  }
}

/** The last words of a server that could not start. */
export class NoWarehouse extends Error {}

export class Warehouse {
  readonly #folder: string;
  #port = 0;
  #server: ChildProcess | undefined;
  #isClosed = false;
  #pauseMs = firstPauseMs;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Resolves once it answers. What it reads and keeps lies in the folder. Rejects with NoWarehouse. */
  static async open(folder: string): Promise<Warehouse> {
    const warehouse = new Warehouse(resolve(folder));
    mkdirSync(join(warehouse.#folder, "lake"), { recursive: true });
    // `holdfast dev` beside this one looks there, too.
    if (await isFree(usualPort)) warehouse.#port = usualPort;
    await warehouse.#start();
    return warehouse;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  close(): void {
    this.#isClosed = true;
    this.#server?.kill("SIGTERM");
  }

  async #start(): Promise<void> {
    // It ends with its standard input, so that it does not outlive this process, however that ends.
    const server = spawn(process.execPath, [program, ...this.#flags()], { stdio: ["pipe", "pipe", "pipe"] });
    this.#server = server;
    server.stdin.on("error", () => undefined);
    let said = "";
    server.stderr.setEncoding("utf8").on("data", (text: string) => {
      said = `${said}${text}`.slice(-2_000);
    });
    const ended = once(server, "exit");
    const lines = createInterface({ input: server.stdout });
    const first = await Promise.race([once(lines, "line"), ended.then(() => undefined)]);
    if (first === undefined) throw new NoWarehouse(said.trim().split("\n").at(-1) || "It ended without a word.");
    this.#port = Number(new URL(String(first[0])).port);
    this.#pauseMs = firstPauseMs;
    void ended.then(() => this.#again());
  }

  async #again(): Promise<void> {
    while (!this.#isClosed) {
      await new Promise((done) => setTimeout(done, this.#pauseMs).unref());
      this.#pauseMs = Math.min(2 * this.#pauseMs, longestPauseMs);
      if (this.#isClosed) return;
      const isThere = await this.#start().then(
        () => true,
        () => false,
      );
      if (isThere) return;
    }
  }

  #flags(): string[] {
    const at = (name: string) => join(this.#folder, name);
    const kept = ["--journal", at("jobs"), "--duckdb", at("lake"), "--duckdb-file", at("tables.duckdb")];
    return [
      "--port",
      String(this.#port),
      ...kept,
      "--query-ms",
      String(queryMs),
      "--anonymous",
      "--with-parent",
      "--quiet",
    ];
  }
}
