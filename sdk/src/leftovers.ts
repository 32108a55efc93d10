import { readFileSync } from "node:fs";

// What a body leaves behind in its process: timers, open files and sockets, processes, another working folder, variables of
// the environment, listeners of the process. A process with leftovers must not take another activation.

/** The state of the process before a body runs. */
export interface Before {
  readonly active: ReadonlyMap<string, number>;
  readonly folder: string;
  readonly environment: string;
  readonly listeners: string;
}

export function lookBefore(): Before {
  return { active: activeResources(), folder: process.cwd(), environment: environment(), listeners: listeners() };
}

/** What is there now and was not before, one word each; empty when the process is as it was. */
export function leftovers(before: Before): string[] {
  const found: string[] = [];
  for (const [kind, count] of activeResources()) {
    if (count > (before.active.get(kind) ?? 0)) found.push(kind);
  }
  if (process.cwd() !== before.folder) found.push("working folder");
  if (process.exitCode !== undefined) found.push("exit code");
  if (environment() !== before.environment) found.push("environment");
  if (listeners() !== before.listeners) found.push("listener of the process");
  if (hasChildProcesses()) found.push("child process");
  return found;
}

function environment(): string {
  return Object.entries(process.env).join("\n");
}

/** A handler of signals, of rejections or of the exit would act in the next activation too. */
function listeners(): string {
  return process
    .eventNames()
    .map((name) => `${String(name)} ${process.listenerCount(name)}`)
    .join();
}

function activeResources(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

let childProcessLoaded = false;
const childrenFile = `/proc/self/task/${process.pid}/children`;

/** Also those that were unreferenced. Where there is no such file (not Linux), Node's own count has to do. */
function hasChildProcesses(): boolean {
  childProcessLoaded ||= loadedModules().includes("NativeModule child_process");
  if (!childProcessLoaded) return false;
  try {
    return readFileSync(childrenFile, "utf8") !== "";
  } catch {
    return false;
  }
}

function loadedModules(): readonly string[] {
  return (process as unknown as { readonly moduleLoadList?: readonly string[] }).moduleLoadList ?? [];
}
