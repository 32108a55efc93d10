import { resolve } from "node:path";
import { AppError } from "@holdfast/protocol";
import { Client } from "@holdfast/sdk/client";
import { type ConnectionConfig, resolveSettings } from "./config.ts";
import { readConnections } from "./connection-settings.ts";
import { LocalPlane } from "./embedded/local-plane.ts";
import {
  applyProject,
  openServices,
  openStateOptions,
  type RunningNode,
  type Services,
  type StateBackend,
  type StateBackendOptions,
  startNode,
} from "./main.ts";
import type { StateConfig } from "./state-settings.ts";
import { version } from "./version.ts";

// `holdfast/embedded`: Holdfast inside of an application's own process, on a store.

export interface EmbeddedOptions {
  /** `sqlite:FILE`, `file:FOLDER`, `postgres://…` or `memory:`. */
  readonly store: string;
  readonly namespace?: string;
  /** False: this process only asks; others carry runs out. Default true. */
  readonly run?: boolean;
  /** The project's root, from which the modules of tasks are found; default the current folder. */
  readonly root?: string;
  /** Globs, relative to the root, of files whose definitions are compiled and applied first; default: what was applied before. */
  readonly include?: readonly string[];
  /** Activations at a time; default 8. */
  readonly concurrency?: number;
  /** The services outside whose jobs tasks may start and watch: as in the configuration file. */
  readonly connections?: Readonly<Record<string, ConnectionConfig>>;
  /** Whether `mock://` addresses are jobs that pretend; default false. */
  readonly mockJobs?: boolean;
  /** Where large values of state lie, as in the configuration file; `backend` may also be one that was made here. */
  readonly state?: Omit<StateConfig, "backend" | "retention"> & { readonly backend: string | StateBackend };
  /** Creates or updates the schema of a PostgreSQL store first. Other stores do it by themselves. */
  readonly migrate?: boolean;
}

/** A client of a store in this process. Close it, or use `await using`. */
export class Embedded extends Client {
  readonly #services: Services;
  readonly #node: RunningNode | undefined;

  constructor(services: Services, node: RunningNode | undefined) {
    const { namespace, intents } = services;
    super(new LocalPlane(services, version), { namespace, refusal: intents.refusal });
    this.#services = services;
    this.#node = node;
  }

  /** Lets what runs here end for `graceMs` (default 10 s), gives the rest back, and closes the store. Cancels nothing. */
  async close(options: { readonly graceMs?: number } = {}): Promise<void> {
    await this.#node?.stop(options);
    await this.#services.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Opens a store and, unless `run` is false, carries runs out in this process. Throws AppErrors. */
export async function openEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { store, namespace, run = true, include, concurrency, migrate, mockJobs = false } = options;
  const root = resolve(options.root ?? ".");
  const connections = readConnections(options.connections, { root, add: refuse });
  const services = await openServices({
    address: store,
    ...(namespace === undefined ? {} : { namespace }),
    ...(migrate === undefined ? {} : { migrate }),
    stateBackend: await backendOf(options.state, root),
  });
  try {
    if (include !== undefined) await applyProject(services, { root, include, ...(run ? { connections } : {}) });
    const node = run
      ? await startNode(services, {
          root,
          connections,
          mockJobs,
          ...(concurrency === undefined ? {} : { concurrency }),
        })
      : undefined;
    return new Embedded(services, node);
  } catch (error) {
    await services.close();
    throw error;
  }
}

async function backendOf(given: EmbeddedOptions["state"], root: string): Promise<StateBackendOptions | undefined> {
  if (given === undefined) return undefined;
  const { backend, ...rest } = given;
  const isOwn = typeof backend !== "string";
  const { settings, problems } = resolveSettings({
    place: { root, configFile: undefined },
    file: { state: { ...rest, backend: isOwn ? "module:given" : backend } },
  });
  for (const { message, hint } of problems) refuse("state", message.replace(/\.$/, ""), hint ?? "");
  return openStateOptions(settings.state, root, isOwn ? backend : undefined);
}

function refuse(_key: string, message: string, hint: string): never {
  throw new AppError("invalid_request", `${message}.`, { hint });
}
