import { isEnded, type RunError, type RunStatus, type RunView } from "@holdfast/protocol";
import { counted } from "./definitions.ts";
import { shortId } from "./run-text.ts";
import { paintStatus, statusText } from "./statuses.ts";
import { tableText } from "./table.ts";
import { oneLine, type Terminal } from "./terminal.ts";
import { clockText, lengthText } from "./times.ts";

/** Of a map's items so many are shown, what failed and what is under way first. */
const shownItems = 20;

export interface TreeTableOptions {
  /** Whether every item of every map is shown. */
  readonly all: boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** A run and what is below it: one line each, with attempts, times, and why it stands where it stands. */
export function treeTable(terminal: Terminal, runs: readonly RunView[], { all, now }: TreeTableOptions): string {
  const [root] = runs;
  if (root === undefined) return "";
  const { colors } = terminal;
  const below = Map.groupBy(runs.slice(1), ({ parentId }) => parentId ?? "");
  return tableText(
    terminal,
    [
      { title: "NAME", text: ({ branch, label }) => `${branch}${label}`, shrinks: true },
      { title: "ID", text: ({ run }) => (run === undefined ? "" : shortId(run.id)) },
      {
        title: "STATUS",
        text: ({ run }) => (run === undefined ? "" : statusText(run.status)),
        paint: (text, { run }) => (run === undefined ? text : paintStatus(terminal, run.status, text)),
      },
      { title: "TRY", text: ({ run }) => triesText(run), right: true },
      { title: "STARTED", text: ({ run }) => momentText(run?.startedAt ?? null) },
      { title: "TOOK", text: ({ run }) => (run === undefined ? "" : tookText(run, now)), right: true },
      {
        title: "WHY",
        text: ({ run }) => (run === undefined ? "" : whyText(run, now)),
        paint: (text, { run }) => (run?.status === "failed" ? paintStatus(terminal, "failed", text) : colors.dim(text)),
        shrinks: true,
      },
    ],
    rowsOf(root, { below, all, branch: "", under: "" }),
  );
}

interface Row {
  /** The lines of the tree before the name. */
  readonly branch: string;
  readonly label: string;
  /** Absent where a line stands for several. */
  readonly run?: RunView;
}

interface Place {
  readonly below: ReadonlyMap<string, readonly RunView[]>;
  readonly all: boolean;
  readonly branch: string;
  /** What the branches of its children begin with. */
  readonly under: string;
}

function rowsOf(run: RunView, place: Place): Row[] {
  const children = place.below.get(run.id) ?? [];
  const shown = run.kind === "map" && !place.all ? mostTelling(children) : children;
  const left = children.length - shown.length;
  const rows: Row[] = [{ branch: place.branch, label: oneLine(run.name), run }];
  for (const [index, child] of shown.entries()) {
    const isLast = index === shown.length - 1 && left === 0;
    const branch = `${place.under}${isLast ? "└─ " : "├─ "}`;
    rows.push(...rowsOf(child, { ...place, branch, under: `${place.under}${isLast ? "   " : "│  "}` }));
  }
  if (left > 0) {
    const label = `… ${left} more: ${statusCounts(children.filter((child) => !shown.includes(child)))} (--all)`;
    rows.push({ branch: `${place.under}└─ `, label });
  }
  return rows;
}

/** In the order of the list. */
function mostTelling(items: readonly RunView[]): readonly RunView[] {
  if (items.length <= shownItems) return items;
  const rank = ({ status }: RunView): number => (status === "failed" ? 0 : isEnded(status) ? 2 : 1);
  const chosen = new Set(items.toSorted((a, b) => rank(a) - rank(b)).slice(0, shownItems));
  return items.filter((item) => chosen.has(item));
}

function statusCounts(runs: readonly RunView[]): string {
  const counts = new Map<RunStatus, number>();
  for (const { status } of runs) counts.set(status, (counts.get(status) ?? 0) + 1);
  return [...counts].map(([status, count]) => `${count} ${status}`).join(", ");
}

function triesText(run: RunView | undefined): string {
  return run === undefined || run.kind !== "task" || (run.startedAt === null && run.attempt === 1)
    ? ""
    : String(run.attempt);
}

/** How long a run has taken since it first started; "" for one that has not. */
export function tookText({ startedAt, endedAt, status }: RunView, now: number): string {
  if (startedAt === null || status === "skipped") return "";
  return lengthText((endedAt === null ? now : Date.parse(endedAt)) - Date.parse(startedAt));
}

function momentText(time: string | null): string {
  return time === null ? "" : clockText(Date.parse(time));
}

/** What failed below a run is told there. */
function errorText({ code, message }: RunError): string {
  const line = oneLine(message);
  return code === "child_failed" ? line.replace(/(?<=\.) .*$/, "") : `${line} (${code})`;
}

/** Why a run stands where it stands, as far as its own row tells; "" where its status says it all. */
export function whyText(run: RunView, now: number): string {
  const error = run.error === null ? "" : errorText(run.error);
  const left = run.notBefore === null ? 0 : Date.parse(run.notBefore) - now;
  switch (run.status) {
    case "pending":
      return `waits for ${counted(run.blockedBy, "run")} before it`;
    case "ready":
      if (run.limit !== null) return `stands in line for ${oneLine(run.limit)}`;
      if (error !== "")
        return left > 0 ? `try ${run.attempt} in ${lengthText(left)}: ${error}` : `starts again: ${error}`;
      return left > 0 ? `starts in ${lengthText(left)}` : `waits for a free node (queue ${run.queue})`;
    case "waiting":
      if (run.openChildren > 0) return `waits for ${counted(run.openChildren, "run")} below it`;
      return run.kind === "task" ? "its body waits" : "";
    case "cancelling":
      return "is being ended";
    case "running":
    case "succeeded":
      return "";
    case "failed":
    case "cancelled":
    case "skipped":
      return error;
  }
}
