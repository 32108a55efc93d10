import { type CodeTaskSpec, defaultRetry, type RetryPolicy, type TaskSpec } from "@holdfast/protocol";

/** What an activation runs that cleans up, and how it is tried. */
export interface CleanUpCode {
  readonly spec: CodeTaskSpec;
  readonly retry: RetryPolicy;
  /** Running time of a try, milliseconds. */
  readonly timeoutMs: number;
}

/** The code of a task's clean-up in the place of its body's; undefined where it has none. */
export function cleanUpCode(task: TaskSpec): CleanUpCode | undefined {
  if (task.executor === "external" || task.onCancel === undefined) return undefined;
  const { attempts, timeoutMs } = task.onCancel;
  return { spec: withCode({ ...task, timeoutMs }), retry: { ...defaultRetry, attempts }, timeoutMs };
}

function withCode(task: CodeTaskSpec): CodeTaskSpec {
  const { export: name, command } = task.onCancel ?? {};
  switch (task.executor) {
    case "process":
      return command === undefined ? task : { ...task, source: { command } };
    case "python":
      return name === undefined ? task : { ...task, source: { ...task.source, export: name } };
    case "typescript":
      return name === undefined ? task : { ...task, source: { ...task.source, export: name, plain: true } };
  }
}
