import { isEnded, limits, type RunView } from "@holdfast/protocol";
import { connected, unlessNodes } from "./connection.ts";
import { counted } from "./definitions.ts";
import { exitCodes } from "./failures.ts";
import { readNumber } from "./number-flags.ts";
import type { CommonFlags } from "./project.ts";
import { noneFound, readMoment, readStatus } from "./run-filters.ts";
import { paintStatus } from "./statuses.ts";
import { tableText } from "./table.ts";
import { oneLine, type Terminal } from "./terminal.ts";
import { agoText } from "./times.ts";
import { tookText } from "./tree-table.ts";

export interface ListFlags extends CommonFlags {
  readonly status?: readonly string[];
  readonly definition?: string;
  readonly parent?: string;
  readonly key?: string;
  readonly since?: string;
  readonly all?: boolean;
  readonly limit?: string;
  readonly cursor?: string;
}

/** `holdfast runs list`. */
export function list(terminal: Terminal, flags: ListFlags): Promise<number> {
  const { definition, parent, key, cursor, all } = flags;
  const since = flags.since === undefined ? undefined : readMoment(flags.since);
  const statuses = flags.status?.map(readStatus);
  const limit = readLimit(flags.limit, 20);
  return connected(terminal, flags, async ({ plane }) => {
    const page = await plane.listRuns({
      limit,
      scope: all === true ? "all" : "roots",
      ...(statuses === undefined ? {} : { statuses }),
      ...(definition === undefined ? {} : { definition }),
      ...(parent === undefined ? {} : { parent }),
      ...(key === undefined ? {} : { key }),
      ...(since === undefined ? {} : { since }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    terminal.answer(page);
    if (page.runs.length === 0) terminal.note(await noneFound(plane, "No runs", definition));
    else terminal.print(runTable(terminal, page.runs));
    if (page.cursor !== null) terminal.note(terminal.colors.dim(`\nMore: --cursor ${page.cursor}`));
    return exitCodes.done;
  });
}

function runTable(terminal: Terminal, runs: readonly RunView[]): string {
  const now = Date.now();
  return tableText(
    terminal,
    [
      { title: "ID", text: ({ id }) => id },
      { title: "NAME", text: ({ name }) => oneLine(name), shrinks: true },
      {
        title: "STATUS",
        text: ({ status }) => status,
        paint: (text, { status }) => paintStatus(terminal, status, text),
      },
      { title: "STARTED", text: (run) => startedText(run, now), right: true },
      { title: "TOOK", text: (run) => tookText(run, now), right: true },
      { title: "KEY", text: ({ key }) => oneLine(key ?? ""), shrinks: true },
    ],
    runs,
  );
}

function startedText({ startedAt, status, epoch }: RunView, now: number): string {
  if (startedAt !== null) return agoText(startedAt, now);
  // An earlier attempt, or one that was lost, did start.
  const again = epoch > 0 ? " again" : "";
  return isEnded(status) ? (again === "" ? "never" : "not again") : `not yet${again}`;
}

/** `holdfast runs cancel RUN`. */
export function cancel(
  terminal: Terminal,
  id: string,
  { reason, force = false, ...flags }: CommonFlags & { readonly reason?: string; readonly force?: boolean },
): Promise<number> {
  return connected(terminal, flags, async (connection) => {
    const { run, requested, forced } = await connection.plane.cancelRun(id, {
      force,
      ...(reason === undefined ? {} : { reason }),
    });
    terminal.answer({ run, requested, forced });
    if (requested + forced === 0) {
      const state = run.status === "cancelling" ? "is being cancelled already" : `had ended: ${run.status}`;
      terminal.note(`Run ${run.id} ${state}.`);
    } else if (isEnded(run.status)) terminal.note(`Run ${run.id} is cancelled.`);
    else {
      const later = await unlessNodes(connection, " A node ends its processes at the next start.");
      const soFar = requested > limits.pageRows ? " so far" : "";
      terminal.note(`Run ${run.id} is being cancelled (${counted(requested, "run")}${soFar}).${later}`);
    }
    if (forced > 0) {
      terminal.note(
        `${counted(forced, "run")} ended without waiting; what they still do is ended by their node, and counts no more.`,
      );
    }
    return exitCodes.done;
  });
}

function readLimit(text: string | undefined, fallback: number): number {
  return text === undefined ? fallback : readNumber("--limit", text, { min: 1, max: 1_000 });
}
