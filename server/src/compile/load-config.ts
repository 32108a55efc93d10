import type { Problem } from "@holdfast/protocol";
import { findProject, resolveSettings, type Settings, type SettingsSources } from "../config.ts";
import { localProblems, wrongAnswer } from "./compile.ts";
import { type CompileProcessOptions, runCompileProcess } from "./process.ts";

export interface LoadConfigOptions extends CompileProcessOptions {
  /** The folder from which the project is looked for. */
  readonly from: string;
  readonly env?: SettingsSources["env"];
  readonly flags?: SettingsSources["flags"];
}

export interface LoadedConfig {
  readonly settings: Settings;
  /** Mistakes; files relative to the root. Settings are to be used only when there are none. */
  readonly problems: readonly Problem[];
}

/** Finds the project, reads its config file in a process of its own, and ranks flag > environment > file > default. */
export async function loadConfig(options: LoadConfigOptions): Promise<LoadedConfig> {
  const place = findProject(options.from);
  const { env = {}, flags = {} } = options;
  if (place.configFile === undefined) return resolveSettings({ place, env, flags });
  const answer = await runCompileProcess({ kind: "config", root: place.root, file: place.configFile }, options);
  const { settings, problems } = resolveSettings({
    place,
    env,
    flags,
    ...(answer.kind === "config" && answer.problems.length === 0 ? { file: answer.config } : {}),
  });
  const local = (found: readonly Problem[]): Problem[] => localProblems(place.root, found);
  if (answer.kind === "config") return { settings, problems: local([...answer.problems, ...problems]) };
  const { message, hint } = answer.kind === "none" ? answer : wrongAnswer;
  return { settings, problems: local([{ file: place.configFile, line: 0, message, hint }, ...problems]) };
}
