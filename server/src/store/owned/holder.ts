import { readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";

/** A process of this user that has a file open. */
export interface Holder {
  readonly pid: number;
  /** Stopped by a signal: Ctrl-Z, say. */
  readonly isStopped: boolean;
}

/** Who has this file open, other than this process; undefined where nobody is found, or there is no /proc. */
export function holderOf(file: string): Holder | undefined {
  try {
    const wanted = realpathSync(file);
    const pid = readdirSync("/proc")
      .map(Number)
      .find((each) => each > 0 && each !== process.pid && hasOpen(each, wanted));
    return pid === undefined ? undefined : { pid, isStopped: isStopped(pid) };
  } catch {
    return undefined;
  }
}

function hasOpen(pid: number, wanted: string): boolean {
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).some((descriptor) => linkOf(`${folder}/${descriptor}`) === wanted);
  } catch {
    // Another user's, or it has ended.
    return false;
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function isStopped(pid: number): boolean {
  return /\) [Tt]/.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
}
