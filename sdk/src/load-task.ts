import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { ActivationStart } from "@holdfast/protocol";
import { nearestName } from "@holdfast/protocol";
import { definitionData, type TaskData } from "./definition.ts";
import { failure, type Outcome } from "./outcome.ts";

/** The code that a manifest names is not there. */
class DefinitionMissing extends Error {}

/** What is to be said when `loadTask` threw. Code that is missing may be back at the next attempt: a checkout takes a moment. */
export function loadFailure(thrown: unknown, projectRoot: string): Outcome {
  if (!(thrown instanceof DefinitionMissing)) return failure(thrown, projectRoot);
  const hint =
    "The run is pinned to code that is gone: put it back, or apply what is there now and start a new run of it.";
  const error = { code: "definition_missing", message: thrown.message, hint };
  return { method: "run.fail", params: { error, fatal: false } };
}

/** Imports a task's module, relative to `projectRoot`, and finds its export. Throws what `loadFailure` explains. */
export async function loadTask(start: ActivationStart, projectRoot: string): Promise<TaskData> {
  if (start.executor !== "typescript") throw new Error(`A TypeScript process was given a ${start.executor} task.`);
  const { module, export: name, plain = false } = start.source;
  const exports = await importOnce(join(projectRoot, module), module);
  if (!Object.hasOwn(exports, name)) {
    const nearest = nearestName(name, Object.keys(exports));
    const meant = nearest === undefined ? "" : ` Did you mean ${nearest}?`;
    throw new DefinitionMissing(`${module} has no export ${name}.${meant}`);
  }
  const value = exports[name];
  const data = definitionData(value);
  if (plain && data === undefined && typeof value === "function") return functionTask(start.run.definition, value);
  if (data?.kind !== "task") throw new DefinitionMissing(`The export ${name} of ${module} is not a task.`);
  if (data.id !== start.run.definition) {
    const message = `The export ${name} of ${module} is now the task ${data.id}, not ${start.run.definition}.`;
    throw new DefinitionMissing(message);
  }
  return data;
}

/** A workflow's file names plain functions too; what they take and return is checked by the manifest's schemas. */
function functionTask(id: string, body: unknown): TaskData {
  return { kind: "task", options: { id }, body: body as TaskData["body"] };
}

type Exports = Readonly<Record<string, unknown>>;

/** What has been imported stays as it is in this process; to ask the loader again costs more than a small body. */
const imports = new Map<string, Promise<Exports>>();

function importOnce(path: string, module: string): Promise<Exports> {
  const known = imports.get(path);
  if (known !== undefined) return known;
  const exports = importModule(pathToFileURL(path).href, module);
  imports.set(path, exports);
  // What has failed may succeed when it is tried again.
  exports.catch(() => imports.delete(path));
  return exports;
}

async function importModule(url: string, module: string): Promise<Exports> {
  try {
    return (await import(url)) as Exports;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND" && "url" in error) {
      if (error.url === url) throw new DefinitionMissing(`The module ${module} is not there any more.`);
    }
    throw error;
  }
}
