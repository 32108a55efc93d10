import { isEnded } from "@holdfast/protocol";
import type { RunRow } from "../../server/src/core/index.ts";
import type { Store } from "../../server/src/store/store.ts";
import type { Root } from "./campaign-options.ts";
import { namespace } from "./topic-reader.ts";

/** Every run of the campaign, as lists show them: without what is large. */
export async function listAllRuns(store: Store): Promise<RunRow[]> {
  const rows: RunRow[] = [];
  let cursor: string | null = null;
  do {
    const page: { runs: RunRow[]; cursor: string | null } = await store.listRuns({
      namespace,
      rootsOnly: false,
      limitRows: 500,
      ...(cursor === null ? {} : { cursor }),
    });
    rows.push(...page.runs);
    cursor = page.cursor;
  } while (cursor !== null);
  return rows;
}

/** Where roots stand that should have ended. */
export async function describeOpen(store: Store, open: ReadonlySet<Root>): Promise<string> {
  const lines: string[] = [];
  for (const { id, definition, key } of [...open].slice(0, 5)) {
    const tree = id === undefined ? [] : await store.listTree({ rootId: id, limitRows: 50 }).catch(() => []);
    const live = tree.filter(({ status }) => !isEnded(status));
    const text = live.map(
      (run) => `${run.name} ${run.status} epoch ${run.epoch} of ${run.claimedBy} blocked by ${run.blockedBy}`,
    );
    lines.push(`${definition} ${key} ${id}: ${text.join(", ")}`);
  }
  return `${open.size} runs\n${lines.join("\n")}`;
}
