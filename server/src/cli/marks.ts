import type { Json, MarkRun } from "@holdfast/protocol";
import { connected } from "./connection.ts";
import { counted } from "./definitions.ts";
import { exitCodes, UsageError } from "./failures.ts";
import { shallow } from "./given-json.ts";
import type { CommonFlags } from "./project.ts";
import type { Terminal } from "./terminal.ts";

interface MarkFlags extends CommonFlags {
  readonly reason?: string;
  readonly output?: string;
}

/** `holdfast runs mark RUN STATUS`, and `runs skip RUN`. */
export function mark(
  terminal: Terminal,
  id: string,
  status: string,
  { output, reason, ...flags }: MarkFlags,
): Promise<number> {
  if (status !== "succeeded" && status !== "failed" && status !== "skipped") {
    throw new UsageError(
      `A run cannot be marked as "${status}".`,
      "Mark it as succeeded or failed, or skip it: holdfast runs skip RUN.",
    );
  }
  if (output !== undefined && status !== "succeeded") {
    throw new UsageError(`A run that is marked as ${status} has no output.`, "--output goes with succeeded.");
  }
  const request: MarkRun = {
    status,
    ...(output === undefined ? {} : { output: readJson(output) }),
    ...(reason === undefined ? {} : { reason }),
  };
  return connected(terminal, flags, async ({ plane }) => {
    const done = await plane.markRun(id, request);
    terminal.answer(done);
    const { run, changed, reset, reopened, jobs } = done;
    const as = status === "skipped" ? status : `marked as ${status}`;
    terminal.note(changed ? `Run ${run.id} is ${as}.` : `Run ${run.id} was ${status} already.`);
    if (reset > 0)
      terminal.note(
        `${counted(reset, "run")} that ${reset === 1 ? "depends" : "depend"} on it ${reset === 1 ? "is" : "are"} judged anew.`,
      );
    if (jobs > 0) terminal.note(`${counted(jobs, "external job")} of it ${jobs === 1 ? "is" : "are"} being ended.`);
    if (reopened > 0) terminal.note(`${counted(reopened, "run")} above ${reopened === 1 ? "is" : "are"} open again.`);
    return exitCodes.done;
  });
}

function readJson(text: string): Json {
  try {
    return shallow(JSON.parse(text) as Json, "The output");
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(
      `--output is not JSON: ${text.slice(0, 60)}`,
      `A text is written with quotes: --output '"done"'.`,
    );
  }
}
