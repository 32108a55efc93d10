import type { Reason } from "@holdfast/protocol";
import type { RunRow } from "../core/index.ts";
import type { Store } from "../store/store.ts";
import { reason } from "./reason-texts.ts";

/** How deep it is looked for the run that others failed of. */
const deepestRuns = 20;

/** How a run ended. The remedy is what its error says, and where to look: at what wrote something, else at the run that failed. */
export async function endReason(store: Store, run: RunRow): Promise<Reason> {
  const { error, status } = run;
  if (error === null) return reason({ code: "ended", message: `It has ended: ${status}.` });
  const message = `It has ended: ${status}. ${error.message}`;
  const hints = error.hint === undefined ? [] : [error.hint];
  if (status !== "failed") return reason({ code: "ended", message, remedy: hints[0] ?? null });
  const culprit = await culpritOf(store, run);
  const { lines } = await store.listLogs({ runId: culprit.id, limitRows: 1 });
  // The log of one that wrote nothing would lead nowhere.
  const looks =
    lines.length > 0
      ? [`holdfast runs logs ${culprit.id} shows what it wrote.`]
      : culprit.id === run.id
        ? []
        : [`holdfast runs show ${culprit.id} shows where it failed.`];
  const remedy = [...hints, ...looks].join(" ");
  const runs = culprit.id === run.id ? [] : [culprit];
  return reason({ code: "ended", message, remedy: remedy === "" ? null : remedy, runs });
}

/** The run that this one failed of, and that of: each one's error names the next. */
async function culpritOf(store: Store, run: RunRow): Promise<RunRow> {
  let found = run;
  for (let depth = 0; depth < deepestRuns; depth++) {
    const id = namedIn(found);
    const below = id === undefined ? undefined : await store.findRun({ id });
    // What a body says of itself need not be so.
    if (below === undefined || below.parentId !== found.id) return found;
    found = below;
  }
  return found;
}

function namedIn({ error }: RunRow): string | undefined {
  const details = error?.details;
  if (error?.code !== "child_failed" || typeof details !== "object" || details === null) return undefined;
  return "runId" in details && typeof details.runId === "string" ? details.runId : undefined;
}
