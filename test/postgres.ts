/**
 * A real PostgreSQL for tests, with its default durability. Test files that only need a database call
 * {@link createDatabase}: one server serves the whole test run. Files that kill or freeze the database start their own.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chownSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { requirePostgres } from "../scripts/test-postgres.ts";

const startMs = 60_000;
const maxConnections = 200;

/** The server of this run, as its owner; the superuser needs no password on loopback. */
export interface TestPostgres {
  readonly url: string;
  readonly dataDir: string;
  readonly port: number;
  /** The postmaster's process id; another one after {@link TestPostgres.restart}. */
  readonly pid: number;
  /** A new empty database; its address. */
  createDatabase(): Promise<string>;
  /** SIGKILL of the postmaster and all its backends at once: what is left is what was flushed. */
  kill(): Promise<void>;
  /** SIGSTOP of the postmaster and all its backends: connections stay open and nothing answers. */
  freeze(): void;
  thaw(): void;
  /** Starts again on the same folder and port; kills the server first if it still runs. */
  restart(): Promise<void>;
  /** Ends the server and removes its folder. Happens by itself when the process that started it ends, however it ends. */
  stop(): Promise<void>;
}

/**
 * Stops the server when its stdin closes, that is, when the process that started it is gone, even by SIGKILL.
 * $1 is the folder. The postmaster may be frozen or have been replaced, so its id is read when it is needed.
 */
const guardScript = `
read -r _
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
  for child in $(cat /proc/$pid/task/$pid/children 2>/dev/null); do kill -CONT $child 2>/dev/null; done
  kill -CONT $pid 2>/dev/null
  kill -INT $pid 2>/dev/null
  n=0
  while kill -0 $pid 2>/dev/null && [ $n -lt 200 ]; do n=$((n + 1)); sleep 0.05; done
  kill -QUIT $pid 2>/dev/null
fi
rm -rf "$1"
`;

/** `bin`: the folder of the server's programs; default as `requirePostgres` finds them. */
export async function startPostgres(bin = requirePostgres()): Promise<TestPostgres> {
  const server = new Server(bin);
  await server.initialize();
  return server;
}

class Server implements TestPostgres {
  readonly dataDir: string;
  readonly #bin: string;
  readonly #folder: string;
  readonly #owner: { uid?: number; gid?: number };
  readonly #guard: ChildProcess;
  #child: ChildProcess | undefined;
  #port = 0;
  #log = "";

  constructor(bin: string) {
    this.#bin = bin;
    this.#folder = mkdtempSync(join(tmpdir(), "hf-pg-"));
    this.dataDir = join(this.#folder, "data");
    this.#owner = unprivilegedOwner();
    if (this.#owner.uid !== undefined && this.#owner.gid !== undefined) {
      chownSync(this.#folder, this.#owner.uid, this.#owner.gid);
    }
    this.#guard = spawn("sh", ["-c", guardScript, "guard", this.#folder], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
    });
    unreference(this.#guard);
  }

  get url(): string {
    return `postgres://postgres@127.0.0.1:${this.#port}/postgres`;
  }

  get port(): number {
    return this.#port;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error("PostgreSQL does not run");
    return pid;
  }

  async initialize(): Promise<void> {
    this.#port = await freePort();
    const options = ["-D", this.dataDir, "-U", "postgres", "-E", "UTF8", "--locale=C", "--auth=trust", "--no-sync"];
    execFileSync(join(this.#bin, "initdb"), options, { ...this.#spawnOptions(), stdio: ["ignore", "ignore", "pipe"] });
    await this.#launch();
  }

  createDatabase(): Promise<string> {
    return createDatabaseOn(this.url);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const exited = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
    this.#signalAll("SIGKILL");
    await exited;
    this.#child = undefined;
  }

  freeze(): void {
    this.#signalAll("SIGSTOP");
  }

  thaw(): void {
    this.#signalAll("SIGCONT");
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.#launch();
  }

  async stop(): Promise<void> {
    if (this.#guard.exitCode === null) {
      const exited = once(this.#guard, "exit");
      this.#guard.ref();
      this.#guard.stdin?.end();
      await exited;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #launch(): Promise<void> {
    const settings = {
      listen_addresses: "127.0.0.1",
      port: String(this.#port),
      unix_socket_directories: "",
      max_connections: String(maxConnections),
    };
    const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const child = spawn(join(this.#bin, "postgres"), ["-D", this.dataDir, ...options], {
      ...this.#spawnOptions(),
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
    });
    this.#child = child;
    this.#log = "";
    child.stderr.setEncoding("utf8");
    await new Promise<void>((resolve, reject) => {
      const failed = (why: string) => reject(new Error(`PostgreSQL ${why}:\n${this.#log}`));
      const timer = setTimeout(() => failed(`was not ready after ${startMs} ms`), startMs);
      child.once("exit", () => failed("ended while starting"));
      child.once("error", (error) => failed(error.message));
      child.stderr.on("data", (text: string) => {
        this.#log = (this.#log + text).slice(-20_000);
        if (!this.#log.includes("ready to accept connections")) return;
        clearTimeout(timer);
        resolve();
      });
    });
    unreference(child);
  }

  #signalAll(signal: NodeJS.Signals): void {
    // Backends are sessions of their own, so the postmaster's group does not reach them.
    for (const pid of [this.pid, ...childrenOf(this.pid)]) {
      try {
        process.kill(pid, signal);
      } catch {
        // It ended in between, which is what a signal was for.
      }
    }
  }

  #spawnOptions() {
    const { PATH = "/usr/bin:/bin", HOLDFAST_TEST_RUN = "" } = process.env;
    return { ...this.#owner, cwd: this.#folder, env: { PATH, LC_ALL: "C", TZ: "UTC", HOLDFAST_TEST_RUN } };
  }
}

/** PostgreSQL refuses to run as root: it then runs as the user of Debian's package, else as nobody. */
function unprivilegedOwner(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const users = readFileSync("/etc/passwd", "utf8").split("\n");
  const user = users.find((line) => line.startsWith("postgres:")) ?? users.find((line) => line.startsWith("nobody:"));
  const [, , uid, gid] = (user ?? "nobody:x:65534:65534").split(":");
  return { uid: Number(uid), gid: Number(gid) };
}

function childrenOf(parent: number): number[] {
  if (process.platform !== "linux") {
    const rows = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n");
    return rows
      .map((row) => row.trim().split(/\s+/).map(Number))
      .flatMap(([pid, of]) => (of === parent ? [pid ?? 0] : []));
  }
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === parent)
    .map(Number);
}

function parentOf(pid: string): number | undefined {
  try {
    // The command's name stands in parentheses and may itself hold spaces and parentheses.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}

/** Lets this process end while the child runs: the guard then ends the server. */
function unreference(child: ChildProcess): void {
  child.unref();
  for (const stream of child.stdio)
    if (stream && "unref" in stream && typeof stream.unref === "function") stream.unref();
}

/** A port that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}

let shared: Promise<TestPostgres> | undefined;

/** The superuser address of the run's server: the one that the test runner started, else one for this process. */
export async function sharedPostgresUrl(): Promise<string> {
  const given = process.env.HOLDFAST_TEST_POSTGRES_URL;
  if (given !== undefined && given !== "") return given;
  shared ??= startPostgres();
  return (await shared).url;
}

/** A new empty database on the run's server; its address. Drop it with {@link dropDatabase} when the test is done. */
export async function createDatabase(): Promise<string> {
  return createDatabaseOn(await sharedPostgresUrl());
}

async function createDatabaseOn(serverUrl: string): Promise<string> {
  const name = `test_${randomBytes(8).toString("hex")}`;
  await administer(serverUrl, `CREATE DATABASE ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** Drops a database of {@link createDatabase}, also while connections are open on it. */
export async function dropDatabase(url: string): Promise<void> {
  const server = new URL(url);
  const name = server.pathname.slice(1);
  if (!/^test_[0-9a-f]{16}$/.test(name)) throw new Error(`${name} is no test database`);
  server.pathname = "/postgres";
  await administer(server.href, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
}

async function administer(url: string, statement: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await sql.unsafe(statement);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
