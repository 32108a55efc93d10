import { type ControlPlane, HttpPlane } from "@holdfast/sdk/client";
import type { Settings } from "../config.ts";
import type { Logger } from "../log.ts";
import type { RunningNode, Services, StopOptions } from "../main.ts";
import { version } from "../version.ts";
import { findDev } from "./dev-file.ts";
import { type CommonFlags, openProject } from "./project.ts";
import { absoluteStore, missingStore, shownStore } from "./store-address.ts";
import type { Terminal } from "./terminal.ts";

/** Somebody to ask: a server, the running `dev`, or the configured store opened by this process. */
export interface Connection {
  readonly plane: ControlPlane;
  /** The same for those who follow: it says soon that nobody answers, and they go on asking (patience.ts). */
  readonly watched: ControlPlane;
  readonly kind: "server" | "dev" | "embedded";
  /** The server's address or the store's. */
  readonly address: string;
  /** Queues as this project's configuration limits them, where no server knows them: the next node declares them. */
  readonly configured?: NonNullable<Settings["queues"]>;
  /** What answers, where that is this process. */
  readonly services?: Services;
  /** Lets what this process carries out end, by default for no time. */
  close(stop?: StopOptions): Promise<void>;
}

/** As `--server` says, else the running `dev`, else the store itself. `opened`: the project, if it has been opened already. */
export async function connect(terminal: Terminal, flags: CommonFlags, opened?: Settings): Promise<Connection> {
  const named = namedServer(flags);
  if (named !== undefined) return named;
  const settings = opened ?? (await openProject(terminal, flags));
  return (await runningDev(settings, flags)) ?? (await openEmbedded(settings));
}

/** What is said of work that waits for a node, where this process has the store itself and no node is surely there. */
export async function unlessNodes(
  { kind, services }: Pick<Connection, "kind" | "services">,
  said: string,
): Promise<string> {
  if (kind !== "embedded") return "";
  return ((await services?.reasons.nodes()) ?? 0) > 0 ? "" : said;
}

/** For commands that only read: a store that is not there is not made, and reads as an empty one. */
export async function connectToRead(terminal: Terminal, flags: CommonFlags): Promise<Connection> {
  const named = namedServer(flags);
  if (named !== undefined) return named;
  const settings = await openProject(terminal, flags);
  const missing = missingStore(settings);
  if (missing === undefined) return connect(terminal, flags, settings);
  terminal.note(`Nothing has been run in ${settings.root} yet: there is no store at ${missing}.`);
  return openEmbedded({ ...settings, store: "memory:" });
}

/** The server that `--server` or HOLDFAST_SERVER names. */
export function namedServer({ server = process.env.HOLDFAST_SERVER, token }: CommonFlags): Connection | undefined {
  if (server === undefined || server === "") return undefined;
  return httpConnection("server", server, token);
}

/** The `dev` of this project, unless another store was asked for. */
export async function runningDev(settings: Settings, flags: CommonFlags): Promise<Connection | undefined> {
  if (flags.store !== undefined || flags.namespace !== undefined) return undefined;
  const dev = await findDev(settings.root);
  return dev === undefined ? undefined : httpConnection("dev", dev.url, flags.token);
}

/** Carries out a command that only reads, or concerns what is there; `makes`: one that needs a store. Answers its exit code. */
export async function connected(
  terminal: Terminal,
  flags: CommonFlags,
  act: (connection: Connection) => Promise<number>,
  { makes = false } = {},
): Promise<number> {
  const connection = await (makes ? connect : connectToRead)(terminal, flags);
  try {
    return await act(connection);
  } finally {
    await connection.close();
  }
}

function httpConnection(kind: "server" | "dev", address: string, given: string | undefined): Connection {
  const token = given ?? process.env.HOLDFAST_TOKEN;
  const shared = { server: address, onSilence: noted, ...(token === undefined ? {} : { token }) };
  const plane = new HttpPlane({ ...shared, patienceMs: 10_000 });
  return {
    plane,
    watched: new HttpPlane({ ...shared, patienceMs: 1_000 }),
    kind,
    address,
    close: async () => undefined,
  };
}

/** Said whatever the output is for: whoever looks on is to know why nothing happens. */
function noted(text: string): void {
  process.stderr.write(`${text}\n`);
}

export interface WorkOptions {
  readonly schedules: boolean;
  /** Whether `mock://` jobs pretend where the configuration does not say. */
  readonly mockJobs?: boolean;
  /** Where this process is reached by HTTP, where the configuration does not say. */
  readonly url?: string | undefined;
}

/** What an embedded engine adds to a connection. */
export interface EmbeddedConnection extends Connection {
  readonly services: Services;
  /** From now on this process carries runs out; `schedules`: and starts what schedules say. */
  work(options: WorkOptions): Promise<RunningNode>;
}

/** Opens the configured store in this process. Loads the whole control plane, so only when it is needed. */
export async function openEmbedded(
  settings: Settings,
  { log, ...options }: { readonly role?: "owner" | "either"; readonly migrate?: boolean; readonly log?: Logger } = {},
): Promise<EmbeddedConnection> {
  const [{ openServices, openStateOptions, startNode }, { LocalPlane }] = await Promise.all([
    import("../main.ts"),
    import("../embedded/local-plane.ts"),
  ]);
  const { namespace, root, concurrency, leaseMs, queues: queueLimits, retention, python } = settings;
  const services = await openServices({
    address: absoluteStore(settings),
    namespace,
    keysMs: retention.keysMs,
    ageingMs: settings.ageingMs,
    stateRetention: settings.stateRetention,
    stateBackend: await openStateOptions(settings.state, root),
    ...options,
    onNotice: log === undefined || log.level === "silent" ? noted : (text) => log.warn(text),
    ...(log === undefined ? {} : { log }),
  });
  let node: RunningNode | undefined;
  const plane = new LocalPlane(services, version);
  return {
    plane,
    watched: plane,
    services,
    kind: "embedded",
    address: shownStore(settings.store),
    ...(queueLimits === undefined ? {} : { configured: queueLimits }),
    work: async ({ schedules, mockJobs = false, url }) => {
      const { runsMs, logsMs, assetEventsMs } = retention;
      const found = {
        ...(python === undefined ? {} : { python }),
        connections: settings.connections,
        mockJobs: settings.mockJobs ?? mockJobs,
        publicUrl: settings.publicUrl ?? url,
      };
      const shared = { root, concurrency, leaseMs, queueLimits, runsMs, logsMs, assetEventsMs, schedules, ...found };
      node = await startNode(services, log === undefined ? shared : { ...shared, log });
      return node;
    },
    close: async (stop = {}) => {
      await node?.stop({ graceMs: 0, ...stop });
      await services.close();
    },
  };
}
