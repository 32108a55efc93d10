import { spawnSync } from "node:child_process";
import { accessSync, constants, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import { isAppError, type ObligationPage } from "@holdfast/protocol";
import { version } from "../version.ts";
import { lengthText } from "./times.ts";

// What `holdfast doctor` looks at on this machine: what is so, and where it is not well, what to do.

const clockDifferenceMs = 2_000;
/** Longer than any process needs that is asked to end and then killed. */
const oldObligationMs = 10 * 60_000;
const littleDiskBytes = 200 * 1024 * 1024;

/** One thing that was looked at. */
export interface Finding {
  readonly what: string;
  readonly state: "ok" | "warn" | "wrong";
  readonly said: string;
  readonly hint?: string;
}

/** The program's file has refused a Node that is too old. */
export function nodeFinding(): Finding {
  return { what: "node", state: "ok", said: `${process.version} at ${process.execPath}, holdfast ${version}` };
}

/** The processes of a node that is killed are ended by a shell that watches it. */
export function guardFinding(): Finding {
  const { status, error } = spawnSync("/bin/sh", ["-c", "exit 0"], { timeout: 10_000 });
  if (status === 0) return { what: "guard", state: "ok", said: "processes of a killed node are ended" };
  return {
    what: "guard",
    state: "wrong",
    said: `/bin/sh does not run: ${error?.message ?? `exit code ${status}`}`,
    hint: "Without it, processes of a node that is killed would go on. Install a shell.",
  };
}

/** `.holdfast/` of a project: none where it has not been made yet. */
export function folderFindings(root: string): Finding[] {
  const folder = join(root, ".holdfast");
  const stats = statSync(folder, { throwIfNoEntry: false });
  if (stats === undefined) return isUsable(root) ? [] : [unmakeable(root, folder)];
  if (!stats.isDirectory()) {
    const hint = "Holdfast keeps its files there: move what is there away.";
    return [{ what: "folder", state: "wrong", said: `${folder} is no folder`, hint }];
  }
  const unusable = [folder, join(folder, "holdfast.db")].find((path) => !isUsable(path));
  if (unusable !== undefined) {
    const { uid } = statSync(unusable);
    const said = `this user (${process.getuid?.() ?? "?"}) may not write ${unusable}, which belongs to user ${uid}`;
    const hint = `Was it made by another user, perhaps with sudo? sudo chown -R "$(id -u)" ${folder}`;
    return [{ what: "folder", state: "wrong", said, hint }];
  }
  if ((stats.mode & 0o002) !== 0) {
    const said = `every user of this machine may write in ${folder}`;
    return [{ what: "folder", state: "warn", said, hint: `Who can may start and end runs: chmod o-w ${folder}` }];
  }
  return [{ what: "folder", state: "ok", said: `${folder} may be written by this user` }, diskFinding(folder)];
}

/** Where `.holdfast/` is still to be made, and cannot be. */
function unmakeable(root: string, folder: string): Finding {
  const said = `${folder} is not there yet, and this user (${process.getuid?.() ?? "?"}) may not make it in ${root}`;
  const hint = "Let this user write there, or name a store elsewhere: --store sqlite:PATH.";
  return { what: "folder", state: "wrong", said, hint };
}

function isUsable(path: string): boolean {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return true;
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function diskFinding(folder: string): Finding {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const said = `${Math.floor(free / 1024 / 1024)} MB free`;
  if (free >= littleDiskBytes) return { what: "disk", state: "ok", said };
  return { what: "disk", state: "warn", said, hint: "A store that is full takes nothing more: make room." };
}

export interface ClockReading {
  /** The store's clock, read between the other two, all in milliseconds. */
  readonly now: number;
  readonly startedAt: number;
  readonly endedAt: number;
}

/** How far the store's clock is from this machine's; what the answer's way took is not counted. */
export function clockFinding({ now, startedAt, endedAt }: ClockReading): Finding {
  const difference = Math.max(0, startedAt - now, now - endedAt);
  if (difference <= clockDifferenceMs) {
    const about = difference === 0 ? "no difference" : `${difference} ms`;
    return { what: "clock", state: "ok", said: `the store's and this machine's: ${about}` };
  }
  return {
    what: "clock",
    state: "warn",
    said: `the store's is ${lengthText(difference)} ${now < startedAt ? "behind" : "ahead of"} this machine's`,
    hint: "Nothing is wrong by that (the store's clock decides), but times look odd. Is time synchronised on both?",
  };
}

/** A member whose end nobody has noted. `serves`: null where it claims nothing. */
export interface MemberReading {
  readonly name: string;
  readonly leaseUntil: number;
  readonly serves: unknown;
}

/** Who is there as far as the store knows, and who has been silent for longer than its lease. */
export function memberFinding(
  members: readonly MemberReading[],
  { now, timedLeases }: { readonly now: number; readonly timedLeases: boolean },
): Finding {
  const what = "members";
  if (members.length === 0) return { what, state: "ok", said: "none: runs wait for holdfast dev or holdfast server" };
  const isLate = ({ leaseUntil }: MemberReading) => timedLeases && leaseUntil < now;
  const late = members.filter(isLate);
  const said = members
    .map((one) =>
      isLate(one) ? `${one.name} (silent: its lease ran out ${lengthText(now - one.leaseUntil)} ago)` : one.name,
    )
    .join(", ");
  if (late.length === 0) return { what, state: "ok", said };
  const isServed = members.some((one) => one.serves !== null && !isLate(one));
  if (isServed) {
    return {
      what,
      state: "warn",
      said,
      hint: "What a silent node held, another one takes over. Look at its process and its way to the store.",
    };
  }
  const hint = "Nothing starts. Look at its process and its way to the store, or start another: holdfast server.";
  return { what, state: "wrong", said, hint };
}

/** What was told to end so long ago that somebody should look. */
export function obligationFinding({ obligations, more }: ObligationPage, now: number): Finding {
  const old = obligations.filter(({ orderedAt }) => now - Date.parse(orderedAt) > oldObligationMs);
  const [first] = old;
  if (first === undefined) return { what: "to be ended", state: "ok", said: beingEnded({ obligations, more }, now) };
  const count = more ? `${old.length} or more` : String(old.length);
  const processes = old.length === 1 ? "process that was told to end goes on" : "processes that were told to end go on";
  const nodes = [...new Set(old.map(({ node }) => node ?? "any node"))].join(", ");
  return {
    what: "to be ended",
    state: "warn",
    said: `${count} ${processes}, the first for ${lengthText(now - Date.parse(first.orderedAt))} (${nodes})`,
    hint: `holdfast why ${first.runId} says more. Stopping its node ends it; its run need not wait: holdfast runs cancel ${first.runId} --force`,
  };
}

/** What is well: it was told to end a short while ago. */
function beingEnded({ obligations, more }: ObligationPage, now: number): string {
  const [first] = obligations;
  if (first === undefined) return "nothing that was told to end goes on";
  const counts = [
    count(obligations, "activation", ["process", "processes"]),
    count(obligations, "external_job", ["external job", "external jobs"]),
    count(obligations, "clean_up", ["clean-up", "clean-ups"]),
  ].flat();
  const oldest = lengthText(now - Date.parse(first.orderedAt));
  return `${counts.join(", ")}${more ? " or more" : ""} under way to their end, the first told ${oldest} ago`;
}

function count(
  obligations: ObligationPage["obligations"],
  kind: ObligationPage["obligations"][number]["kind"],
  [one, many]: readonly [string, string],
): string[] {
  const found = obligations.filter((each) => each.kind === kind).length;
  return found === 0 ? [] : [`${found} ${found === 1 ? one : many}`];
}

/** What could not be looked at, with what its error advises. */
export function failure(what: string, error: unknown): Finding {
  const said = error instanceof Error ? error.message : String(error);
  const hint = isAppError(error) ? error.hint : undefined;
  return { what, state: "wrong", said, ...(hint === undefined ? {} : { hint }) };
}
