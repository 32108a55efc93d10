import type { Reason } from "@holdfast/protocol";
import { type RunRow, tryOf } from "../core/index.ts";
import type { MemberRow } from "../store/store.ts";
import { lengthText, reason } from "./reason-texts.ts";

/** Why a run has not ended that is at its clean-up. `members`: those that are here. */
export function cleanUpReason(run: RunRow, members: readonly MemberRow[], now: number): Reason {
  const { claimedBy, claimedAt, wakeAt, queue } = run;
  const why = run.ending?.error.message ?? "";
  const forced = `holdfast runs cancel ${run.id} --force ends the run without it.`;
  const say = (what: string, remedy = forced): Reason => {
    return reason({ code: "cancelling", message: `Its clean-up (onCancel) ${what}. ${why}`.trim(), remedy });
  };
  if (claimedBy !== null) {
    const where = members.find(({ id }) => id === claimedBy)?.name;
    if (where === undefined)
      return say("was at work on a node that has not been heard of: another one begins it again");
    const since = claimedAt === null ? "" : ` for ${lengthText(now - claimedAt)}`;
    return say(`has been running on ${where}${since}, try ${tryOf(run)}`);
  }
  if (wakeAt !== null && wakeAt > now) {
    return say(`failed and is tried again in ${lengthText(wakeAt - now)}, as try ${tryOf(run)}`);
  }
  const serves = (member: MemberRow) => member.serves !== null && (member.serves.queues?.includes(queue) ?? true);
  if (members.some(serves)) return say("is due: a node begins it once it has a free slot");
  return say(
    `is due, and no node serves the queue "${queue}"`,
    `Start one: holdfast dev, or holdfast server. ${forced}`,
  );
}
