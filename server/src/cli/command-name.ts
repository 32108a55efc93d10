import { basename, delimiter, dirname, resolve, sep } from "node:path";

// Messages everywhere say `holdfast run …`. Where no shell finds `holdfast` by that name, people are shown what they would
// have to type instead; this file alone decides what that is.

export interface Start {
  /** The script as Node was given it: `process.argv[1]`. */
  readonly script: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What to type for `holdfast`, as this process was started: `holdfast`, `npx holdfast`, `node …/holdfast.js`. */
export function commandName({ script, env }: Start): string {
  const folder = dirname(script);
  if (folder.endsWith(`${sep}node_modules${sep}.bin`)) return runnerName(env);
  if (basename(script) === "holdfast") {
    const isOnPath = (env.PATH ?? "").split(delimiter).some((part) => part !== "" && resolve(part) === folder);
    return isOnPath ? "holdfast" : script;
  }
  // npm's scripts of a clone start the file itself.
  return env.npm_command === undefined && basename(script) === "holdfast.js" ? `node ${script}` : runnerName(env);
}

/** How a command of node_modules is started with the package manager that people use here. */
function runnerName({ npm_config_user_agent: agent = "" }: Start["env"]): string {
  if (agent.startsWith("pnpm/")) return "pnpm holdfast";
  if (agent.startsWith("yarn/")) return "yarn holdfast";
  return agent.startsWith("bun/") ? "bunx holdfast" : "npx holdfast";
}

/** What stands after `holdfast` in a command; a test holds it to the program's commands. */
export const commandNames: readonly string[] = [
  "init",
  "run",
  "validate",
  "apply",
  "manifest",
  "dev",
  "server",
  "migrate",
  "queues",
  "definitions",
  "schedules",
  "external-jobs",
  "intents",
  "state",
  "assets",
  "gc",
  "why",
  "doctor",
  "bench",
  "runs",
  "completion",
  "complete",
  "help",
];

const groups = ["external-jobs", "runs", "definitions", "schedules", "queues", "intents", "state", "assets"];
const verbs =
  "list|show|cancel|pause|resume|retry|clear|logs|events|signal|mark|skip|obligations|next|start|remove|drop|resolve|sweep|get|set|delete|emit|advance";
const named = commandNames.filter((name) => !groups.includes(name)).join("|");
const mentioned = new RegExp(
  `(?<![\\w/.:@-]|npx )holdfast( (?:(?:${groups.join("|")})(?: (?:${verbs})\\b)?|${named}))\\b( --?\\w+)?`,
  "g",
);

const asking = ["run", "apply", "why", "doctor", "gc", ...groups];

/** Of which commands a caller's flags hold as well; a test holds them to the program's. */
export const placedCommands = {
  server: [...asking],
  store: [...asking, "validate", "manifest", "dev", "server", "migrate", "bench"],
} as const;

/** Flags with which a command was called that say whom it asks, as they are to be repeated. */
export interface Place {
  readonly server?: string | undefined;
  /** Without its password. */
  readonly store?: string | undefined;
}

/** A message with its commands as they are to be typed, so that they ask whom the caller has asked. */
export function asTyped(
  message: string,
  { start = { script: process.argv[1] ?? "", env: process.env }, place = {} }: { start?: Start; place?: Place } = {},
): string {
  if (!message.includes("holdfast ")) return message;
  return message.replaceAll(mentioned, (_, command: string, flag = "") => {
    // Where a flag follows that says it, that one holds.
    const asked = ["--store", "--server"].includes(flag.trim())
      ? ""
      : placeText(command.trim().split(" ")[0] ?? "", place);
    return `${commandName(start)}${command}${asked}${flag}`;
  });
}

function placeText(command: string, { server, store }: Place): string {
  const has = (names: readonly string[], value: string | undefined) => value !== undefined && names.includes(command);
  if (has(placedCommands.server, server)) return ` --server ${quoted(server ?? "")}`;
  return has(placedCommands.store, store) ? ` --store ${quoted(store ?? "")}` : "";
}

/** As a shell takes it for one word. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
