import { join } from "node:path";
import { type CleanUpSpec, defaultCleanUp } from "@holdfast/protocol";
import { spanMs } from "./form.ts";
import { checkPythonName, commandOf } from "./source-code.ts";
import type { TaskReading, YamlTask } from "./task.ts";
import type { FindExport } from "./typescript-exports.ts";

/** What a task says under `on_cancel`; undefined where it says nothing, or something wrong, which is told. */
export function readCleanUp(
  task: YamlTask,
  reading: TaskReading & { readonly findExport: FindExport },
): CleanUpSpec | undefined {
  const { code, entries, what } = task;
  const entry = entries.get("on_cancel");
  const said = task.values.on_cancel;
  if (entry === undefined || said === undefined || code === undefined) return undefined;
  const { run, timeout, attempts = defaultCleanUp.attempts } = typeof said === "string" ? { run: said } : said;
  const tried = { attempts, timeoutMs: timeout === undefined ? defaultCleanUp.timeoutMs : spanMs(timeout) };
  const { problems } = reading;
  switch (code.executor) {
    case "external":
      problems.add(
        entry.at,
        `${what} has "on_cancel", and no code of its own`,
        "Remove it: a cancel ends the job itself.",
      );
      return undefined;
    case "process":
      return { ...tried, command: commandOf(run, reading) };
    case "python": {
      if (!/^[A-Za-z_]\w*$/.test(run)) {
        problems.add(
          entry.node,
          `${what}: "on_cancel" is "${run}"`,
          "It must be the name of a function of the module.",
        );
        return undefined;
      }
      const { module } = code.source;
      const path = module.endsWith(".py") ? join(reading.root, module) : undefined;
      checkPythonName({ module, path }, run, { ...reading, ...task, task: task.name }, "on_cancel");
      return { ...tried, export: run };
    }
    case "typescript": {
      const found = reading.findExport(code.source.module, run);
      if (found.kind === "function") return { ...tried, export: run };
      const is = found.kind === "missing" ? "is missing" : "is no function";
      if (found.kind !== "broken") {
        const hint = "Export a plain function: export async function cleanUp(input, ctx) { … }.";
        problems.add(entry.node, `${what}: the export "${run}" of ${code.source.module} ${is}`, hint);
      }
      return undefined;
    }
  }
}
