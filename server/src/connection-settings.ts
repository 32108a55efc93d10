import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { type JobAddress, type Json, nameHint } from "@holdfast/protocol";
import { type SettingCheck, serviceNames, settingsOf } from "./connection-services.ts";

// The connections of a configuration. What all have in common is checked here, and what the services that are known take
// (connection-services.ts); the rest by the tracker that they are for, when it is first asked (trackers/connections.ts), for a tracker of the
// user's own says itself what it takes.

/** A connection as it was read. What is not named here is its service's business. */
export interface ConnectionSettings {
  readonly [setting: string]: Json | undefined;
  /** `bigquery`, `cloudrun`, `dataproc`, `dataproc_batch`, `kubernetes`, `http`, or one of your own; default the connection's name. */
  readonly service?: string;
  /** Calls to the service at a time, of each node; default 32. */
  readonly calls?: number;
  /** A file of the user's, relative to the project, that exports trackers. It runs in a process of its own. */
  readonly module?: string;
  /** For a `module`: names of variables of the node's environment that its process gets. */
  readonly env?: readonly string[];
}

/** Services that have a second name, which is the one of Ork's files. */
export const otherNames = { cloudrun: "cloud_run", http: "custom_http" } as const;

/**
 * The connection that jobs of an address go through: the named one, else the one that is called like the service, by either of its
 * names. Null: none, and so what the place offers.
 */
export function connectionOf(
  connections: Readonly<Record<string, unknown>>,
  { service, connection }: JobAddress,
): string | null {
  if (connection !== null) return connection;
  const pair = Object.entries(otherNames).find((names) => names.includes(service)) ?? [];
  return [service, ...pair].find((name) => Object.hasOwn(connections, name)) ?? null;
}

/** Why a connection that is named cannot be used, and what to do. Undefined for one that is there. */
export function missingConnection(
  names: readonly string[],
  name: string,
  service: string,
): { readonly message: string; readonly hint: string } | undefined {
  if (names.includes(name)) return undefined;
  const settings = service === name ? "" : ` service: ${JSON.stringify(service)} `;
  const add = `Say connections: { ${JSON.stringify(name)}: {${settings}} } in holdfast.config.ts.`;
  return {
    message: `There is no connection "${name}".`,
    hint: names.length === 0 ? add : nameHint(name, names),
  };
}

interface Place {
  readonly root: string;
  /** Tells of a mistake, where the file names this key. */
  readonly add: (key: string, message: string, hint: string) => void;
}

const isText = (value: unknown): boolean => typeof value === "string" && value !== "";
const shared: Readonly<Record<string, SettingCheck>> = {
  service: [
    (value) => typeof value === "string" && /^[a-z][a-z0-9_-]{0,62}$/.test(value),
    'Write "bigquery" or another service.',
  ],
  calls: [
    (value) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 1_000,
    "Write a whole number from 1 to 1000.",
  ],
  module: [isText, 'Write a file, such as "trackers/render.ts".'],
  env: [(value) => Array.isArray(value) && value.every(isText), 'Write names of variables: ["RENDER_KEY"].'],
  baseUrl: [
    (value) => typeof value === "string" && URL.canParse(value),
    'Write an address: "https://jobs.example.com".',
  ],
};
/** For whoever writes one of them in another spelling. */
const sharedNames = Object.keys(shared);
const alwaysNames = ["service", "calls", "module", "env"];
const connectionsHint = 'Write { bq: { service: "bigquery", project: "shop" } }.';

/** The connections of a config file; those with mistakes are left out. */
export function readConnections(given: unknown, { root, add }: Place): Readonly<Record<string, ConnectionSettings>> {
  if (given === undefined) return {};
  if (!isRecord(given)) {
    add("connections", '"connections" is no object', connectionsHint);
    return {};
  }
  const found: Record<string, ConnectionSettings> = {};
  for (const [name, connection] of Object.entries(given)) {
    if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}$/.test(name)) {
      add(name, `${JSON.stringify(name)} is no name of a connection`, "Use letters, digits and . _ -.");
    } else if (!isRecord(connection)) add(name, `"connections.${name}" is no object`, connectionsHint);
    else if (isSound(name, connection, { root, add })) found[name] = connection as ConnectionSettings;
  }
  return found;
}

function isSound(name: string, connection: Readonly<Record<string, unknown>>, { root, add }: Place): boolean {
  let isGood = true;
  const refuse = (key: string, message: string, hint: string): void => {
    isGood = false;
    add(key, message, hint);
  };
  const own = settingsOf(name, connection);
  if (own === "unknown" && isText(connection.service)) {
    const hint = `${nameHint(String(connection.service), serviceNames)} One of your own names its module or tracker.`;
    refuse(
      "service",
      `"connections.${name}.service" is ${JSON.stringify(connection.service)}, which is no service`,
      hint,
    );
  }
  for (const [key, value] of Object.entries(connection)) {
    const check = (typeof own === "object" ? ownOf(own, key) : undefined) ?? ownOf(shared, key);
    if (check !== undefined && !check[0](value)) {
      refuse(key, `"connections.${name}.${key}" is ${JSON.stringify(value) ?? "missing"}`, check[1]);
    }
    const known = typeof own === "object" ? [...alwaysNames, ...Object.keys(own)] : undefined;
    const meant = sharedNames.filter((one) => one !== key && one.toLowerCase() === key.toLowerCase());
    if (known === undefined ? meant.length > 0 : !known.includes(key)) {
      refuse(key, `unknown key "connections.${name}.${key}"`, nameHint(key, known ?? meant));
    }
  }
  const { module, env, tracker, service } = connection;
  if (tracker !== undefined && service === undefined) {
    refuse(name, `"connections.${name}" has a tracker and no service`, 'Write service: "render", as jobs call it.');
  }
  if (typeof module === "string" && !existsSync(resolve(root, module))) {
    refuse(
      "module",
      `"connections.${name}.module" names ${module}, which is not there`,
      "Write it relative to the root.",
    );
  }
  if (env !== undefined && module === undefined) {
    refuse("env", `"connections.${name}.env" is for a module of your own`, "Name the module, or remove env.");
  }
  return isGood;
}

/** Not what every object has. */
function ownOf<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
