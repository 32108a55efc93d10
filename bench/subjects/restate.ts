import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { loadPeer } from "./peer-package.ts";
import { rateOf, type Sizes, StepsSubject, type SubjectOptions, serveSubject } from "./subject.ts";

interface Context {
  run<T>(name: string, step: () => Promise<T> | T): Promise<T>;
}

interface Restate {
  service(options: { name: string; handlers: Record<string, (context: Context) => Promise<unknown>> }): unknown;
  createEndpointHandler(options: { services: unknown[] }): Parameters<typeof createHttp2Server>[1];
}

const partitions = 4;
const pollMs = 100;
const program = join(import.meta.dirname, "..", "node_modules", ".bin", "restate-server");

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Restate 1.7: a server with a log of its own, which calls this process for each body; a step is an entry of that log. */
class RestateSubject extends StepsSubject {
  #server: ChildProcess | undefined;
  #endpoint: Server | undefined;
  #ingress = "";
  #concurrency = 1;

  async open({ store, concurrency }: SubjectOptions): Promise<void> {
    this.#concurrency = concurrency;
    const own = await this.#serve();
    const [ingress, admin, node] = [await freePort(), await freePort(), await freePort()];
    this.#ingress = `http://127.0.0.1:${ingress}`;
    // npm's program is a wrapper that starts the server: both are in a group of their own and end together.
    const server = spawn(program, ["--base-dir", store], {
      detached: true,
      stdio: ["ignore", "ignore", "inherit"],
      env: {
        ...process.env,
        RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
        RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
        RESTATE_BIND_ADDRESS: `127.0.0.1:${node}`,
        RESTATE_ADVERTISED_ADDRESS: `http://127.0.0.1:${node}`,
        RESTATE_DEFAULT_NUM_PARTITIONS: String(partitions),
        RESTATE_LOG_FILTER: "error",
        DO_NOT_TRACK: "1",
      },
    });
    this.#server = server;
    process.once("exit", () => killGroup(server));
    await this.#register(`http://127.0.0.1:${admin}`, own);
  }

  async steps({ stepBodies }: Sizes): Promise<number[]> {
    await rateOf(2 * this.#concurrency, this.#concurrency, () => this.#call());
    return rateOf(stepBodies * this.#concurrency, this.#concurrency, () => this.#call());
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (server !== undefined && server.exitCode === null) {
      const exited = once(server, "exit");
      killGroup(server);
      await exited;
    }
    this.#endpoint?.close();
  }

  async #serve(): Promise<string> {
    const restate = await loadPeer<Restate>("@restatedev/restate-sdk");
    const bench = restate.service({
      name: "bench",
      handlers: {
        tenSteps: async (context) => {
          let sum = 0;
          for (let step = 0; step < 10; step++) sum += await context.run(`step-${step}`, () => step);
          return sum;
        },
      },
    });
    const endpoint = createHttp2Server({}, restate.createEndpointHandler({ services: [bench] }));
    endpoint.listen(0, "127.0.0.1");
    await once(endpoint, "listening");
    this.#endpoint = endpoint;
    return `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}`;
  }

  /** The server is asked until it is there. */
  async #register(admin: string, uri: string): Promise<void> {
    for (;;) {
      const body = JSON.stringify({ uri });
      const headers = { "content-type": "application/json" };
      const answer = await fetch(`${admin}/deployments`, { method: "POST", headers, body }).catch(() => undefined);
      if (answer?.ok) return;
      if (this.#server?.exitCode !== null) throw new Error("The server of Restate has ended.");
      await pause(pollMs);
    }
  }

  async #call(): Promise<void> {
    const answer = await fetch(`${this.#ingress}/bench/tenSteps`, { method: "POST" });
    if (!answer.ok) throw new Error(`Restate answered ${answer.status}: ${await answer.text()}`);
    await answer.json();
  }
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // All of it is gone.
  }
}

serveSubject(new RestateSubject());
