import { nearestName, type Reason } from "@holdfast/protocol";
import type { JobRow, KeptSignal, RunRow, WaitRow } from "../core/index.ts";
import { lengthText, reason } from "./reason-texts.ts";

/** Undefined for a run that was called and for a job outside: they are explained themselves. */
export function waitReason(
  { id }: RunRow,
  { kind, key, dueAt, signal }: WaitRow,
  { now, kept }: { readonly now: number; readonly kept: readonly KeptSignal[] },
): Reason | undefined {
  if (kind === "call" || kind === "external") return undefined;
  const until = dueAt === null ? null : new Date(dueAt).toISOString();
  const left = dueAt === null ? "" : dueAt > now ? `in ${lengthText(dueAt - now)}` : "now";
  if (kind === "sleep")
    return reason({ code: "sleep", message: `It sleeps ("${key}") until ${until}, ${left}.`, until });
  const bound = until === null ? "" : `, at most until ${until}, ${left}`;
  const remedy = `holdfast runs signal ${id} ${signal ?? key}`;
  const message = `It waits for the signal "${signal ?? key}"${bound}.${unheard(signal ?? key, kept, now)}`;
  return reason({ code: "signal", message, remedy, until });
}

/** Signals that are named in one reason. */
const namedSignals = 3;

/** What was sent and that nobody waits for: often the same, misspelt. */
function unheard(awaited: string, kept: readonly KeptSignal[], now: number): string {
  const last = new Map(kept.map(({ name, at }) => [name, at]));
  const near = nearestName(awaited, last.keys());
  const names = [...last.keys()].sort((a, b) => Number(b === near) - Number(a === near));
  if (names.length === 0) return "";
  const told = names
    .slice(0, namedSignals)
    .map((name) => `"${name}" (${lengthText(now - (last.get(name) ?? now))} ago)`);
  const more = names.length > namedSignals ? `, and ${names.length - namedSignals} more` : "";
  const meant = near === undefined ? "" : ` Was "${awaited}" meant by "${near}"?`;
  return ` Sent and not waited for: ${told.join(", ")}${more}.${meant}`;
}

/** What a job in another system keeps a run waiting for, from what was noted of it last. */
export function jobReason(job: JobRow, now: number): Reason {
  const { service, externalId, status, number } = job;
  const again = number > 1 ? ` (submission ${number})` : "";
  const name = `the ${service} job ${externalId === null ? `"${job.key}"` : externalId}${again}`;
  const failing =
    job.error === null
      ? ""
      : ` ${job.tries > 1 ? `${job.tries} tries in a row have failed: ` : ""}${job.error.message}`;
  switch (status) {
    case "unknown": {
      const message = `It waits for ${name}, of which nobody knows whether it began.${failing}`;
      return reason({ code: "external", message, remedy: resolution(job) });
    }
    case "submitting": {
      const since = lengthText(now - job.openedAt);
      const what = job.submission === "own" ? "which its task has not started yet" : "which is being submitted";
      const message = `It waits for ${name}, ${what}, for ${since}${nextText(job, now)}.${failing}`;
      return reason({ code: "external", message, remedy: `holdfast external-jobs show ${job.id}` });
    }
    case "cancelling": {
      const message = `It waits for the end of ${name}, which was ordered${nextText(job, now)}.${failing}`;
      return reason({
        code: "external",
        message,
        remedy: "It is told to end until it has; --force ends the run without it.",
      });
    }
    default: {
      const since = lengthText(now - (job.startedAt ?? job.openedAt));
      const raw = job.rawStatus === null ? "" : `${job.rawStatus} `;
      const message = `It waits for ${name}, ${raw}for ${since}${nextText(job, now)}.${failing}`;
      return reason({ code: "external", message, remedy: `holdfast external-jobs show ${job.id}` });
    }
  }
}

/** What a person may say of a job that nobody can ask for. */
function resolution({ id, submission }: JobRow): string {
  const again = submission === "own" ? "" : ", resubmit (it never began)";
  return `Look in its service, then: holdfast external-jobs resolve ${id} --as running --ref … (it is there), succeeded, failed, lost${again}.`;
}

/** When it is looked at next, or how often where what was noted is older: looks that show nothing new are noted seldom. */
function nextText({ memberId, lookedAt, nextLookAt }: JobRow, now: number): string {
  if (memberId === null) return "; no node tracks it at present";
  if (nextLookAt === null) return "";
  if (nextLookAt > now) return `, next look in ${lengthText(nextLookAt - now)}`;
  return lookedAt === null ? "" : `, looked at about every ${lengthText(nextLookAt - lookedAt)}`;
}
