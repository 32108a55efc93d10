import { pathToFileURL } from "node:url";
import { registerModuleHook } from "@holdfast/sdk/module-hook";
import { shortText } from "./failures.ts";
import { exportedTrackers } from "./own-tracker.ts";
import type { Tracker } from "./tracker.ts";

/** The trackers of users' modules, and what is wrong with those that cannot be loaded. */
export async function loadModules(
  files: readonly string[],
): Promise<{ readonly trackers: Tracker[]; readonly broken: { readonly file: string; readonly message: string }[] }> {
  const trackers: Tracker[] = [];
  const broken: { readonly file: string; readonly message: string }[] = [];
  if (files.length > 0) registerModuleHook();
  for (const file of files) {
    try {
      const exports = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
      trackers.push(...exportedTrackers(exports, file));
    } catch (error) {
      broken.push({ file, message: shortText(error instanceof Error ? error.message : String(error)) });
    }
  }
  return { trackers, broken };
}
