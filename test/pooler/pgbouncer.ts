import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requirePgBouncer } from "../../scripts/test-postgres.ts";
import { freePort } from "../postgres.ts";

const startMs = 30_000;

/** Ends it when stdin closes, that is, when the process that started it is gone, even by SIGKILL. */
const guardScript = `
exec 3<&0
"$1" "$2" 3<&- &
read -r _ <&3
kill -KILL $!
rm -rf "$3"
`;

/** A PgBouncer in transaction mode before a test's server. It knows every database of it. */
export class PgBouncer {
  readonly port: number;
  readonly #folder: string;
  readonly #process: ChildProcess;

  private constructor(parts: { port: number; folder: string; process: ChildProcess }) {
    this.port = parts.port;
    this.#folder = parts.folder;
    this.#process = parts.process;
  }

  /** `server`: the superuser's address. With few connections each transaction soon comes to another one. */
  static async start(server: string): Promise<PgBouncer> {
    const program = requirePgBouncer();
    const { hostname, port: serverPort } = new URL(server);
    const folder = mkdtempSync(join(tmpdir(), "hf-pgbouncer-"));
    const port = await freePort();
    writeFileSync(join(folder, "users"), '"postgres" ""\n');
    writeFileSync(
      join(folder, "pgbouncer.ini"),
      `[databases]
* = host=${hostname} port=${serverPort}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${folder}/users
pool_mode = transaction
server_round_robin = 1
default_pool_size = 6
max_client_conn = 500
log_connections = 0
log_disconnections = 0
`,
    );
    // It refuses to run as root, as PostgreSQL does.
    const owner = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    if (owner.uid !== undefined) chownSync(folder, owner.uid, owner.gid);
    const args = ["-c", guardScript, "guard", program, join(folder, "pgbouncer.ini"), folder];
    const child = spawn("sh", args, { ...owner, stdio: ["pipe", "ignore", "pipe"] });
    let log = "";
    await new Promise<void>((resolve, reject) => {
      const failed = (why: string) => reject(new Error(`PgBouncer ${why}:\n${log}`));
      const timer = setTimeout(() => failed(`was not ready after ${startMs} ms`), startMs);
      child.once("exit", () => failed("ended while starting"));
      child.once("error", (error) => failed(error.message));
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        log += text;
        if (!log.includes("process up")) return;
        clearTimeout(timer);
        resolve();
      });
    });
    return new PgBouncer({ port, folder, process: child });
  }

  async stop(): Promise<void> {
    const exited = once(this.#process, "exit");
    this.#process.stdin?.end();
    await exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
