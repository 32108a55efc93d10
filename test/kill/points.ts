import { appendFileSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";

// Named points: places in the life of a run at which a test strikes. The product carries no marks: a test's own node lays
// them around its store and its placement, and the test's bodies call them. A point is armed by a file; the first process
// that comes by takes the file, says so and stops itself, so that it stands exactly there when it is struck.

/** Who stands at a point, as told to the test. */
export interface Reached {
  readonly point: string;
  readonly pid: number;
}

const quiet = { armed: "armed", taken: "taken", told: "told" } as const;

/** The folders and the pipe below a campaign's folder. */
export function placesIn(folder: string): { armed: string; taken: string; told: string } {
  return { armed: join(folder, quiet.armed), taken: join(folder, quiet.taken), told: join(folder, quiet.told) };
}

export function makePlaces(folder: string): void {
  const { armed, taken } = placesIn(folder);
  for (const path of [armed, taken]) mkdirSync(path, { recursive: true });
}

/** Passes a point: nothing, unless it is armed; then this process stops here until it is told to go on, or is killed. */
export function pass(folder: string, point: string): void {
  const { armed, taken, told } = placesIn(folder);
  for (const name of armedIn(armed)) {
    const [armedPoint, left = "0"] = name.split("@");
    if (armedPoint !== point) continue;
    // Of several processes one gets it. A point may be armed for a later passing than the next.
    const isHere = left === "0";
    const to = isHere ? join(taken, `${point}.${process.pid}`) : join(armed, `${point}@${Number(left) - 1}`);
    if (!moved(join(armed, name), to) || !isHere) return;
    // A line this short arrives whole, whoever else writes.
    appendFileSync(told, `${JSON.stringify({ point, pid: process.pid } satisfies Reached)}\n`);
    process.kill(process.pid, "SIGSTOP");
    return;
  }
}

function armedIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // the campaign is over
  }
}

function moved(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch {
    return false;
  }
}

/** Points that a body passes in its own process. */
export const bodyPoints = [
  "child.loading",
  "body.begun",
  "body.acted",
  "body.recorded",
  "body.woken",
  "body.returning",
  "body.aborted",
] as const;

/** Points that a node passes on every store. `before`: nothing is committed; `after`: committed, nobody was told. */
export const nodePoints = [
  "enqueue.before",
  "enqueue.after",
  "claim.before",
  "claim.after",
  "bind.before",
  "start.before",
  "start.after",
  "step.heard",
  "step.before",
  "step.after",
  "success.heard",
  "success.before",
  "success.after",
  "success.answered",
  "release.before",
  "release.after",
  "suspend.before",
  "suspend.after",
  "expand.before",
  "expand.after",
  "conclude.before",
  "conclude.after",
  "retry.before",
  "retry.after",
  "failure.before",
  "failure.after",
  "loss.before",
  "loss.after",
  "skip.before",
  "skip.after",
  "cancel.before",
  "cancel.after",
  "force.before",
  "force.after",
  "restart.before",
  "restart.after",
  "mark.before",
  "mark.after",
  "cancelling.seen",
  "owed.tried",
  "owed.met",
  "give-back.before",
  "give-back.after",
  "log.before",
  "log.after",
  "fire.before",
  "fire.after",
  "wake.before",
  "wake.after",
  "judge.before",
  "sequence.before",
  "join.before",
  "join.after",
] as const;

/** Points of leases, which SQLite's one owner does not have, and between the statements of PostgreSQL's transactions. */
export const fleetPoints = [
  "renew.before",
  "renew.after",
  "judge.after",
  "sequence.after",
  "sql.insertRoots",
  "sql.claimRuns",
  "sql.insertRuns",
  "sql.recordFreshSteps",
  "sql.insertWaits",
  "sql.writeRecords",
  "sql.endRoots",
  "sql.lockRunsWithLinks",
  "sql.updateRuns",
  "sql.flipEdges",
  "sql.insertEvents",
  "sql.commit",
  "sql.moveEvents",
  "sql.endLapsed",
] as const;
