import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join } from "node:path";
import { type Duration, durationMs, limits, nameHint, type Problem } from "@holdfast/protocol";
import type { CheckedConnections } from "./connection-services.ts";
import { type ConnectionSettings, readConnections } from "./connection-settings.ts";
import type { ProjectPlace } from "./project-place.ts";
import { readStateRetention, type StateRetentionSettings } from "./state-retention-settings.ts";
import { readState, type StateConfig, type StateSettings, stateBackendHint, stateKeys } from "./state-settings.ts";

export { ensureStateFolder, findProject, type ProjectPlace } from "./project-place.ts";

// What can be configured, how the sources are ranked, and where a project's root is. `holdfast/config` is this file, so it
// imports little; reading a config file is the compiler's work (compile/load-config.ts).

/** How a service is reached. What is not named here is its tracker's business: see docs/guides/external-jobs.md. */
export interface ConnectionConfig extends Pick<ConnectionSettings, "service" | "calls" | "module" | "env"> {
  readonly [setting: string]: unknown;
}

/** What `holdfast.config.ts` may say. Everything is optional. */
export interface Config {
  /** The application's name; default the package's, else the folder's. */
  readonly app?: string;
  /** Globs, relative to the root, of the files that export definitions; default `tasks/**` and `workflows/**`. */
  readonly include?: readonly string[];
  /** `sqlite:./x.db` or `file:./folder` (relative to the root), `postgres://…` or `memory:`; default `sqlite:.holdfast/holdfast.db`. */
  readonly store?: string;
  readonly namespace?: string;
  /** How long a node is believed alive after its last sign; default 15s. */
  readonly lease?: Duration;
  /** Activations at once in this node; default the number of processors. */
  readonly concurrency?: number;
  /**
   * How many activations each queue may have at once, and how many may start within a time, over all nodes of the namespace: the
   * last one to start says.
   */
  readonly queues?: {
    readonly [queue: string]: {
      readonly concurrency?: number;
      /** At most `limit` starts within any time of that length: `{ limit: 100, per: "1m" }`. */
      readonly rate?: { readonly limit: number; readonly per: Duration };
    };
  };
  /**
   * How much longer a run has to have waited to stand level with one of a point more of priority; default 10m. "never": a higher
   * priority always goes first. The same on every node.
   */
  readonly ageing?: Duration | "never";
  /** How long ended runs, keys, log lines, and events of assets that everybody has had are kept; defaults 30d, 30d, 7d, 30d. */
  readonly retention?: Partial<Readonly<Record<"runs" | "keys" | "logs" | "assetEvents", Duration>>>;
  /** Where large values of state lie, by default nowhere: values have 64 KiB at most; and how long values are kept. */
  readonly state?: StateConfig;
  /** The Python of Python tasks: a path (relative to the root) or a program's name; default: found by each task's folder. */
  readonly python?: string;
  /**
   * The services outside whose jobs tasks may start and watch, by the name that tasks say (`connection: "bq"`). They go to the tracker
   * processes, and to no task.
   */
  readonly connections?: { readonly [name: string]: ConnectionConfig };
  /** Whether `mock://` addresses are jobs that pretend, for trying things out; default: under `holdfast dev` alone. */
  readonly mockJobs?: boolean;
  /** Under which address services outside reach this server, for the one-time addresses of jobs: `https://holdfast.example.com`. */
  readonly publicUrl?: string;
  /** Where the HTTP interface listens; default 4400 on 127.0.0.1. Port 0 takes a free one. */
  readonly port?: number;
  readonly host?: string;
}

/** Returns its argument; for the types. A connection may say only what its service takes. */
export function defineConfig<const Connections extends NonNullable<Config["connections"]>>(
  config: Omit<Config, "connections"> & { readonly connections?: Connections & CheckedConnections<Connections> },
): Config {
  return config;
}

export interface QueueSettings {
  readonly concurrency?: number;
  readonly rate?: { readonly limit: number; readonly perMs: number };
}

/** A configuration with every default filled in and every duration in milliseconds. */
export interface Settings {
  readonly root: string;
  readonly configFile: string | undefined;
  readonly app: string;
  readonly include: readonly string[];
  readonly store: string;
  readonly namespace: string;
  readonly leaseMs: number;
  readonly concurrency: number;
  /** Undefined where nothing is said of queues: what was declared stays. */
  readonly queues: Readonly<Record<string, QueueSettings>> | undefined;
  readonly ageingMs: number;
  readonly retention: Readonly<Record<"runsMs" | "keysMs" | "logsMs" | "assetEventsMs", number>>;
  readonly stateRetention: StateRetentionSettings;
  readonly state: StateSettings;
  readonly python: string | undefined;
  readonly connections: Readonly<Record<string, ConnectionSettings>>;
  /** Undefined: nothing was said. */
  readonly mockJobs: boolean | undefined;
  readonly publicUrl: string | undefined;
  readonly port: number;
  readonly host: string;
}

export const defaultInclude: readonly string[] = ["tasks/**", "workflows/**"];
type Flags = {
  readonly [K in Exclude<keyof Config, "retention" | "state" | "include" | "queues" | "connections" | "mockJobs">]?:
    | string
    | number;
};

export interface SettingsSources {
  readonly place: ProjectPlace;
  /** The config file's value, as JSON. */
  readonly file?: unknown;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly flags?: Flags & { readonly include?: readonly string[] };
}

/** Flag > environment (`HOLDFAST_…`) > file > default. With problems, `settings` has defaults in their place. */
export function resolveSettings(sources: SettingsSources): { settings: Settings; problems: readonly Problem[] } {
  const reader = new SettingsReader(sources);
  reader.checkFile();
  const { root, configFile } = sources.place;
  const settings: Settings = {
    root,
    configFile,
    app: reader.text("app", /^[A-Za-z0-9@][\w.@/-]{0,199}$/) ?? appName(root),
    include: reader.list("include") ?? defaultInclude,
    store:
      reader.text("store", /^(?:sqlite:.+|file:(?!\/\/).+|postgres(?:ql)?:\/\/.+|memory:)$/) ??
      "sqlite:.holdfast/holdfast.db",
    namespace: reader.text("namespace", /^[a-z0-9][a-z0-9_-]{0,62}$/) ?? "default",
    leaseMs: reader.duration("lease", 1_000) ?? 15_000,
    concurrency: reader.integer("concurrency", { min: 1, max: 1_000 }) ?? availableParallelism(),
    queues: reader.queues(),
    ageingMs: reader.ageing() ?? 600_000,
    retention: {
      runsMs: reader.duration("retention.runs", 0) ?? 30 * dayMs,
      keysMs: reader.duration("retention.keys", 0) ?? 30 * dayMs,
      logsMs: reader.duration("retention.logs", 0) ?? 7 * dayMs,
      assetEventsMs: reader.duration("retention.assetEvents", 0) ?? 30 * dayMs,
    },
    stateRetention: readStateRetention(sources.file, reader.addInFile),
    state: readState(reader),
    python: reader.text("python", /^[^\0]{1,1000}$/),
    connections: readConnections(isRecord(sources.file) ? sources.file.connections : undefined, {
      root,
      add: reader.addInFile,
    }),
    mockJobs: reader.flag("mockJobs"),
    publicUrl: reader.text("publicUrl", /^https?:\/\/[^\s?#]{1,1000}$/),
    port: reader.integer("port", { min: 0, max: 65_535 }) ?? 4400,
    host: reader.text("host", /^[\w.:-]{1,255}$/) ?? "127.0.0.1",
  };
  return { settings, problems: reader.problems };
}

const dayMs = 86_400_000;
const queuesHint = 'Write { etl: { concurrency: 4 } } or { etl: { rate: { limit: 100, per: "1m" } } }.';
const knownKeys = [
  "app",
  "include",
  "store",
  "namespace",
  "lease",
  "concurrency",
  "queues",
  "ageing",
  "retention",
  "state",
  "python",
  "connections",
  "mockJobs",
  "publicUrl",
  "port",
  "host",
];
const laterKeys = ["access", "schedules", "secrets", "mode"];
const hints: Readonly<Record<string, string>> = {
  app: "Use letters, digits and . _ - / @.",
  store: 'Write "sqlite:./file.db", "file:./folder", "postgres://…" or "memory:".',
  "state.backend": stateBackendHint,
  namespace: "Use lower-case letters, digits, _ and -.",
  python: "Write a path or a program's name.",
  publicUrl: 'Write an address such as "https://holdfast.example.com".',
  host: "Write an address or a host name.",
};

interface Given {
  readonly value: unknown;
  /** As messages name it: `--port`, `HOLDFAST_PORT`, `"port"`. */
  readonly source: string;
  readonly inFile: boolean;
}

class SettingsReader {
  readonly problems: Problem[] = [];
  readonly #sources: SettingsSources;
  readonly #file: Readonly<Record<string, unknown>>;
  #text: string | undefined;

  constructor(sources: SettingsSources) {
    this.#sources = sources;
    this.#file = isRecord(sources.file) ? sources.file : {};
  }

  checkFile(): void {
    const { file } = this.#sources;
    if (file !== undefined && !isRecord(file)) {
      this.addInFile("", "the default export is no object", "Write export default defineConfig({ … }).");
    }
    this.#checkKeys(this.#file, knownKeys, "");
    this.#checkObject("retention", ["runs", "keys", "logs", "assetEvents"], 'Write { runs: "30d" }.');
    this.#checkObject(
      "state",
      stateKeys,
      'Write { retention: { run: "30d" } } or { backend: "file:.holdfast/objects" }.',
    );
  }

  text(name: string, pattern: RegExp): string | undefined {
    const given = this.#find(name);
    if (given === undefined) return undefined;
    if (typeof given.value === "string" && pattern.test(given.value)) return given.value;
    return this.#refuse(given, name, hints[name] ?? "Write a text.");
  }

  list(name: string): readonly string[] | undefined {
    const given = this.#find(name);
    if (given === undefined) return undefined;
    const value = typeof given.value === "string" ? given.value.split(",").map((item) => item.trim()) : given.value;
    const fits =
      Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "string" && item !== "");
    return fits ? (value as string[]) : this.#refuse(given, name, 'Write a list of globs: ["tasks/**"].');
  }

  duration(name: string, leastMs: number): number | undefined {
    const given = this.#find(name);
    if (given === undefined) return undefined;
    const ms = typeof given.value === "string" ? durationMs(given.value) : undefined;
    if (ms !== undefined && ms >= leastMs) return ms;
    const least = leastMs === 0 ? "" : `, at least ${leastMs / 1_000}s`;
    return this.#refuse(given, name, `Write a duration such as "15s" or "30d"${least}.`);
  }

  flag(name: string): boolean | undefined {
    const given = this.#find(name);
    if (given === undefined) return undefined;
    if (typeof given.value === "boolean") return given.value;
    if (given.value === "true" || given.value === "false") return given.value === "true";
    return this.#refuse(given, name, "Write true or false.");
  }

  /** Where a priority is never passed, no run waits long enough. */
  ageing(): number | undefined {
    return this.#find("ageing")?.value === "never" ? limits.spanMs : this.duration("ageing", 1_000);
  }

  integer(name: string, { min, max }: { readonly min: number; readonly max: number }): number | undefined {
    const given = this.#find(name);
    if (given === undefined) return undefined;
    const value = typeof given.value === "string" && /^\d+$/.test(given.value) ? Number(given.value) : given.value;
    if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
    return this.#refuse(given, name, `Write a whole number from ${min} to ${max}.`);
  }

  /** Only files say what queues there are. */
  queues(): Settings["queues"] {
    const { queues } = this.#file;
    if (queues === undefined) return undefined;
    const found: Record<string, QueueSettings> = {};
    if (!isRecord(queues)) this.addInFile("queues", '"queues" is no object', queuesHint);
    for (const [name, queue] of Object.entries(isRecord(queues) ? queues : {})) {
      if (!/^[A-Za-z0-9_][A-Za-z0-9_.\-/]{0,199}$/.test(name)) {
        this.addInFile(name, `the queue ${JSON.stringify(name)} has no name that a queue can have`, queuesHint);
        continue;
      }
      if (!isRecord(queue) || (queue.concurrency === undefined && queue.rate === undefined)) {
        this.addInFile(name, `"queues.${name}" says no "concurrency" and no "rate"`, queuesHint);
        continue;
      }
      this.#checkKeys(queue, ["concurrency", "rate"], `queues.${name}.`);
      const concurrency = this.#slots(queue.concurrency, name, { least: 0, what: `queues.${name}.concurrency` });
      const rate = this.#rate(queue.rate, name);
      found[name] = { ...(concurrency === undefined ? {} : { concurrency }), ...(rate === undefined ? {} : { rate }) };
    }
    return found;
  }

  #slots(value: unknown, queue: string, { least, what }: { least: number; what: string }): number | undefined {
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= limits.slots) return value;
    const hint = `Write a whole number from ${least} to ${limits.slots}.`;
    this.addInFile(queue, `"${what}" is ${JSON.stringify(value) ?? "missing"}`, hint);
    return undefined;
  }

  #rate(value: unknown, queue: string): QueueSettings["rate"] {
    if (value === undefined) return undefined;
    const what = `queues.${queue}.rate`;
    if (!isRecord(value)) {
      this.addInFile(queue, `"${what}" is ${JSON.stringify(value)}`, 'Write { limit: 100, per: "1m" }.');
      return undefined;
    }
    this.#checkKeys(value, ["limit", "per"], `${what}.`);
    const limit = this.#slots(value.limit ?? null, queue, { least: 1, what: `${what}.limit` });
    const perMs = typeof value.per === "string" ? durationMs(value.per) : undefined;
    if (perMs !== undefined && perMs > 0 && perMs <= limits.ratePerMs)
      return limit === undefined ? undefined : { limit, perMs };
    const hint = 'Write a duration such as "1s", "1m" or "1h", of at most 30 days.';
    this.addInFile(queue, `"${what}.per" is ${JSON.stringify(value.per) ?? "missing"}`, hint);
    return undefined;
  }

  #find(name: string): Given | undefined {
    const flag = (this.#sources.flags as Readonly<Record<string, unknown>> | undefined)?.[name];
    if (flag !== undefined) return { value: flag, source: `--${name}`, inFile: false };
    const variable = `HOLDFAST_${name.replace(/[A-Z]/g, "_$&").replace(".", "_").toUpperCase()}`;
    const fromEnv = this.#sources.env?.[variable];
    if (fromEnv !== undefined && fromEnv !== "") return { value: fromEnv, source: variable, inFile: false };
    const [first = "", second] = name.split(".");
    const outer = this.#file[first];
    const value = second === undefined ? outer : isRecord(outer) ? outer[second] : undefined;
    return value === undefined ? undefined : { value, source: `"${name}"`, inFile: true };
  }

  #refuse(given: Given, name: string, hint: string): undefined {
    const message = `${given.source} is ${JSON.stringify(given.value)}`;
    if (given.inFile) this.addInFile(name, message, hint);
    else this.problems.push({ file: "", line: 0, message: `${message}.`, hint });
    return undefined;
  }

  #checkObject(name: string, known: readonly string[], hint: string): void {
    const value = this.#file[name];
    if (isRecord(value)) this.#checkKeys(value, known, `${name}.`);
    else if (value !== undefined) this.addInFile(name, `"${name}" is no object`, hint);
  }

  #checkKeys(object: Readonly<Record<string, unknown>>, known: readonly string[], prefix: string): void {
    for (const key of Object.keys(object)) {
      if (known.includes(key)) continue;
      if (prefix === "" && laterKeys.includes(key)) {
        this.addInFile(key, `"${key}" is not supported yet`, "Remove it: this version would not do what it asks.");
      } else this.addInFile(key, `unknown key "${prefix}${key}"`, nameHint(key, known));
    }
  }

  /** A mistake in the config file, where it names this key. */
  readonly addInFile = (key: string, message: string, hint: string): void => {
    const file = this.#sources.place.configFile ?? "";
    const name = key.split(".").at(-1) ?? "";
    this.problems.push({ file, line: this.#lineOf(name), message: `${message}.`, hint });
  };

  /** Where the config file names a key, as well as its text tells. */
  #lineOf(key: string): number {
    const file = this.#sources.place.configFile;
    if (file === undefined) return 0;
    this.#text ??= existsSync(file) ? readFileSync(file, "utf8") : "";
    const pattern = new RegExp(
      key === "" ? "export\\s+default" : `(?:^|[{,\\s"'])${key.replace(/\W/g, "\\$&")}["']?\\s*[:,}]`,
    );
    const index = this.#text.split("\n").findIndex((line) => pattern.test(line));
    return index === -1 ? 1 : index + 1;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function appName(root: string): string {
  try {
    const parsed: unknown = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    if (isRecord(parsed) && typeof parsed.name === "string" && parsed.name !== "") return parsed.name;
  } catch {
    // Without a readable package.json the folder names the application.
  }
  return basename(root) || "app";
}
