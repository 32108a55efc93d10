/** A node in a process of its own for bench/triggerer.ts: it starts runs when it is told to, and tells what it takes. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { registerModuleHook } from "@holdfast/sdk/module-hook";
import { Embedded } from "../../server/src/embedded.ts";
import { silentLog } from "../../server/src/log.ts";
import { applyProject, openServices, startNode, startServer } from "../../server/src/main.ts";
import { TrackerProcesses } from "../../server/src/trackers/client.ts";
import { rateOf } from "../subjects/subject.ts";

interface Opening {
  readonly address: string;
  readonly connections: Readonly<Record<string, Readonly<Record<string, string | number>>>>;
}

export interface Usage {
  readonly residentMB: number;
  readonly heapMB: number;
  readonly cpuMs: number;
  /** How late its event loop was at most, of a hundred times, since it was asked last. */
  readonly lateMs: number;
  readonly trackers: readonly number[];
}

const callers = 500;
const lateness = monitorEventLoopDelay({ resolution: 5 });
lateness.enable();
const { address, connections } = JSON.parse(process.argv[2] ?? "{}") as Opening;
const root = import.meta.dirname;

registerModuleHook();
const services = await openServices({ address, role: "owner", migrate: true });
const server = await startServer(services, { host: "127.0.0.1", port: 0, version: "bench", log: silentLog });
const tracking = new TrackerProcesses({ projectRoot: root, connections });
await applyProject(services, { root, include: ["bodies.ts"], connections });
await startNode(services, { root, concurrency: callers, connections, tracking, publicUrl: server.url });
const client = new Embedded(services, undefined);

async function usage(): Promise<Usage> {
  const { rss, heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const lateMs = lateness.percentile(99) / 1e6;
  lateness.reset();
  return {
    lateMs,
    residentMB: rss / 1024 / 1024,
    heapMB: heapUsed / 1024 / 1024,
    cpuMs: (user + system) / 1_000,
    trackers: tracking.pids,
  };
}

interface Asked {
  readonly ask: "usage" | "start" | "open" | "waiting" | "status";
  readonly definition?: string;
  readonly inputs?: readonly { readonly [name: string]: string }[];
  readonly run?: string;
}

async function act({ ask, definition = "", inputs = [], run = "" }: Asked): Promise<unknown> {
  switch (ask) {
    case "usage":
      return usage();
    case "start":
      return (await client.start(definition, inputs[0] ?? {})).id;
    case "open":
      await rateOf(inputs.length, callers, (index) => client.start(definition, inputs[index] ?? {}));
      return inputs.length;
    case "waiting": {
      // What is not waiting yet is ready or at work.
      const { runs } = await services.runs.list({ statuses: ["ready", "running"], rootsOnly: false, limit: 1 });
      return runs.length === 0;
    }
    case "status":
      return (await services.externalJobs.list({ run })).jobs[0]?.status ?? null;
  }
}

process.on("message", (message) => {
  act(message as Asked).then(
    (answer) => process.send?.({ answer }),
    (error: unknown) => process.send?.({ error: error instanceof Error ? error.stack : String(error) }),
  );
});
process.on("disconnect", () => process.exit(0));
process.send?.({ answer: "ready" });
