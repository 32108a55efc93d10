import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { Problem } from "@holdfast/protocol";

const settledMs = 100;
const topLevelAwait = /^(?:(?:export\s+)?(?:const|let|var)\s[^=]*=\s*)?await\b/;

/** What is said of a file whose loading does not come to its end: which module waits, and at which line as well as text tells. */
export async function unfinishedProblem(file: string, loaded: readonly string[]): Promise<Problem> {
  const candidates: { readonly file: string; readonly line: number }[] = [];
  // Imports are loaded after what imports them, so what waits for another comes before it.
  for (const other of loaded.toReversed()) {
    const line = other.endsWith(".json") ? 0 : awaitLine(other);
    if (line > 0 && !(await hasLoaded(other))) candidates.push({ file: other, line });
  }
  const place = candidates[0] ?? { file, line: 0 };
  const message =
    candidates.length === 0
      ? "The file, or one that it imports, does not come to the end of its loading."
      : "The file does not come to the end of its loading: an await outside of functions never ends.";
  return { ...place, message, hint: "Code outside of tasks runs when a file is loaded: move the await into the task." };
}

/** The first line that awaits outside of functions; 0 for none. */
function awaitLine(file: string): number {
  return (
    readFileSync(file, "utf8")
      .split("\n")
      .findIndex((line) => topLevelAwait.test(line)) + 1
  );
}

/** A module that has been evaluated, well or not, answers another import at once. */
async function hasLoaded(file: string): Promise<boolean> {
  const late = new Promise<boolean>((resolve) => setTimeout(resolve, settledMs, false));
  const done = import(pathToFileURL(file).href).then(
    () => true,
    () => true,
  );
  return Promise.race([done, late]);
}
