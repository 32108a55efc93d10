import type { RunRow } from "../../server/src/core/index.ts";
import type { Store } from "../../server/src/store/store.ts";
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
