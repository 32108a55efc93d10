import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, readFileSync, realpathSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { AppError } from "@holdfast/protocol";

// Where a store's socket is: `<path>.sock`, or, since the system takes no longer path than this, under a short hashed name in
// the temporary folder, which the file `<path>.sock-place` then names to clients.
const longestPathBytes = 107;

/** The owner's place to listen at. Call it while holding the lock: what lies there is a dead owner's and is removed. */
export function claimSocketPlace(path: string): string {
  const beside = `${absolute(path)}.sock`;
  const record = `${path}.sock-place`;
  rmSync(beside, { force: true });
  if (Buffer.byteLength(beside) <= longestPathBytes) {
    rmSync(record, { force: true });
    return beside;
  }
  const hash = createHash("sha256").update(absolute(path)).digest("hex").slice(0, 16);
  const folder = join(tmpdir(), `holdfast-${hash}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  refuseForeign(folder);
  const place = join(folder, "sock");
  if (Buffer.byteLength(place) > longestPathBytes) {
    throw new AppError("invalid_request", `The temporary folder ${tmpdir()} has too long a path for a socket.`, {
      hint: "Set TMPDIR to a shorter one.",
    });
  }
  rmSync(place, { force: true });
  writeFileSync(record, place, { mode: 0o600 });
  return place;
}

/** Removes what `claimSocketPlace` has made, once nobody listens there and while the lock is still held. */
export function leaveSocketPlace(path: string, place: string): void {
  // By its name: the folder may not be there any more.
  if (basename(place) === `${basename(path)}.sock`) return;
  try {
    // Not empty: another owner, of a new store at the same path, listens there.
    rmdirSync(dirname(place));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOTEMPTY") return;
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
  rmSync(`${path}.sock-place`, { force: true });
}

/** Whether a client is led to this place. */
export function isFound(path: string, place: string): boolean {
  try {
    return findSocketPlace(path) === place;
  } catch {
    return false;
  }
}

/** Where a client finds the owner. */
export function findSocketPlace(path: string): string {
  const beside = `${absolute(path)}.sock`;
  if (Buffer.byteLength(beside) <= longestPathBytes) return beside;
  const place = readFileSync(`${path}.sock-place`, "utf8");
  refuseForeign(dirname(place));
  return place;
}

/** Anybody may make folders in the temporary one: only our own, closed to others, is trusted. */
function refuseForeign(folder: string): void {
  const found = lstatSync(folder);
  const own = process.getuid === undefined || found.uid === process.getuid();
  if (found.isDirectory() && own && (found.mode & 0o077) === 0) return;
  throw new AppError("store_unavailable", `The folder ${folder} belongs to somebody else.`, {
    hint: "Remove it, or set TMPDIR to a folder of your own.",
  });
}

function absolute(path: string): string {
  return join(realpathSync(dirname(path)), basename(path));
}
