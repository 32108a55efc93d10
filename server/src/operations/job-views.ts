import type { JobView } from "@holdfast/protocol";
import type { JobRow } from "../core/index.ts";
import { timeText } from "./run-views.ts";

/** A job as people see it. Its specification is not shown: it may be long, and holds what its task put into it. */
export function jobView(row: JobRow, names: ReadonlyMap<string, string>, { isWhole = false } = {}): JobView {
  const { id, runId, key, number, generation, service, connection, submission, status, rawStatus, memberId } = row;
  const { externalId, links, progress, warning, error, result, reason, timedOut, tries } = row;
  return {
    ...{ id, runId, key, number, generation, service, connection, submission, status, rawStatus },
    ...{ externalId, links: [...links], progress, warning, error, reason, timedOut, tries },
    ...(isWhole && { result }),
    node: memberId === null ? null : (names.get(memberId) ?? memberId),
    lookedAt: timeText(row.lookedAt),
    nextLookAt: timeText(row.nextLookAt),
    openedAt: new Date(row.openedAt).toISOString(),
    // Its service's own clock may say anything.
    startedAt: row.startedAt !== null && Math.abs(row.startedAt) < 8e15 ? timeText(row.startedAt) : null,
    endedAt: timeText(row.endedAt),
  };
}
