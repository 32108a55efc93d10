import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Delivery } from "./callbacks.ts";
import type { Call } from "./calls.ts";
import type { Fault } from "./faults.ts";
import type { Match, Phase, Script, ScriptedCallback, Turn } from "./script.ts";
import type { ServiceName } from "./services.ts";
import type { Moment } from "./world.ts";

/** A job as the fakes tell of it. */
export interface RemoteJob {
  readonly service: ServiceName;
  readonly key: string;
  readonly serial: number;
  readonly uid: string;
  readonly createdMs: number;
  readonly spec: Record<string, unknown>;
  readonly phase: Phase;
  readonly ended: boolean;
  readonly past: readonly Moment[];
  readonly submissions: number;
  readonly cancelAskedMs?: number;
}

interface FaultOptions {
  readonly delayMs?: number;
  readonly skip?: number;
  readonly times?: number;
}

/** What a test asks of fakes that run in another process, and says to them; over HTTP at /__clouds. */
export class CloudsRemote {
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  async script(match: Match, script: Script): Promise<void> {
    await this.#ask("POST", "scripts", { match, script });
  }

  /** Answers the fault's id. */
  async fault(match: Match, fault: Fault, options: FaultOptions = {}): Promise<string> {
    const { id } = (await this.#ask("POST", "faults", { match, fault, ...options })) as { id: string };
    return id;
  }

  async release(fault: string): Promise<void> {
    await this.#ask("POST", `faults/${fault}/release`);
  }

  /** Takes away one fault, or all. */
  async heal(fault?: string): Promise<void> {
    await this.#ask("DELETE", fault === undefined ? "faults" : `faults/${fault}`);
  }

  async jobs(match: Pick<Match, "service" | "text"> = {}): Promise<RemoteJob[]> {
    const { jobs } = (await this.#ask("GET", `jobs?${new URLSearchParams({ ...match })}`)) as { jobs: RemoteJob[] };
    return jobs;
  }

  /** Makes a job what is said, now. */
  async turn(job: Pick<RemoteJob, "service" | "key">, turn: Turn): Promise<void> {
    await this.#ask("POST", "jobs/turn", { service: job.service, key: job.key, ...turn });
  }

  /** The service forgets the job. */
  async remove(job: Pick<RemoteJob, "service" | "key">): Promise<void> {
    await this.#ask("POST", "jobs/remove", { service: job.service, key: job.key });
  }

  /** The calls that fit; with `count` once there are so many, with `ended` so many that have been answered. */
  async calls(match: Match = {}, options: { since?: number; count?: number; ended?: boolean } = {}): Promise<Call[]> {
    const { since = 0, count = 0, ended = false } = options;
    const query = new URLSearchParams({ ...match, since: `${since}`, count: `${count}`, ended: `${ended}` });
    const { calls } = (await this.#ask("GET", `calls?${query}`)) as { calls: Call[] };
    return calls;
  }

  /** How often each method was called. */
  async totals(): Promise<Record<string, number>> {
    const { calls } = (await this.#ask("GET", "")) as { calls: Record<string, number> };
    return calls;
  }

  /** Calls of paths that no service knows. */
  async unexpected(): Promise<Call[]> {
    const { calls } = (await this.#ask("GET", "unexpected")) as { calls: Call[] };
    return calls;
  }

  /** Moves a held clock. */
  async advance(byMs: number): Promise<number> {
    const { nowMs } = (await this.#ask("POST", "clock", { advanceMs: byMs })) as { nowMs: number };
    return nowMs;
  }

  async callBack(callback: ScriptedCallback): Promise<void> {
    await this.#ask("POST", "callbacks", callback);
  }

  /** What was posted to others, once there are so many. */
  async deliveries(count = 0): Promise<Delivery[]> {
    const { deliveries } = (await this.#ask("GET", `callbacks?count=${count}`)) as { deliveries: Delivery[] };
    return deliveries;
  }

  async expireTokens(): Promise<void> {
    await this.#ask("DELETE", "tokens");
  }

  async closeWatches(): Promise<void> {
    await this.#ask("POST", "watches/close");
  }

  /** Every version that a client of Kubernetes knows is too old from now on; open watches are told so. */
  async compact(): Promise<void> {
    await this.#ask("POST", "kubernetes/compact");
  }

  async reset(): Promise<void> {
    await this.#ask("POST", "reset");
  }

  async #ask(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${this.url}/__clouds/${path}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
    const answer = (await response.json()) as { error?: string };
    if (!response.ok) throw new Error(`The fakes refuse ${method} /__clouds/${path}: ${answer.error}`);
    return answer;
  }
}

export interface CloudsProcess extends AsyncDisposable {
  readonly url: string;
  readonly remote: CloudsRemote;
  readonly process: ChildProcess;
  /** Ends it, by default with SIGKILL, and waits for that. */
  kill(signal?: NodeJS.Signals): Promise<void>;
}

/** Starts the fakes as a process of their own, with main.ts's flags; a free port unless they name one. */
export async function startClouds(...flags: string[]): Promise<CloudsProcess> {
  const port = flags.includes("--port") ? [] : ["--port", "0"];
  const args = [join(import.meta.dirname, "main.ts"), ...port, "--quiet", ...flags];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const [first] = await Promise.race([
    once(createInterface({ input: child.stdout }), "line"),
    once(child, "exit").then(([code]) =>
      Promise.reject(new Error(`The fakes ended with code ${code} at their start.`)),
    ),
  ]);
  const url = String(first);
  const kill = async (signal: NodeJS.Signals = "SIGKILL") => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  };
  return { url, remote: new CloudsRemote(url), process: child, kill, [Symbol.asyncDispose]: () => kill() };
}
