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
  "intents",
  "why",
  "doctor",
  "bench",
  "runs",
  "completion",
  "complete",
  "help",
];

const mentioned = new RegExp(`(?<![\\w/.:@-]|npx )holdfast(?= (?:${commandNames.join("|")})\\b)`, "g");

/** A message with its commands as they are to be typed. */
export function asTyped(message: string, start: Start = { script: process.argv[1] ?? "", env: process.env }): string {
  if (!message.includes("holdfast ")) return message;
  return message.replaceAll(mentioned, () => commandName(start));
}
