import { type ListedProcess, listProcesses, readProc } from "./process-list.ts";

const intervalMs = 200;
/** Part of the time, at most, that goes into looking: on a machine of many processes it looks less often. */
const lookingShare = 1 / 20;

interface Watched {
  readonly pid: number;
  readonly maxBytes: number;
  readonly onOver: (bytes: number) => void;
}

/**
 * Looks at the resident size of processes with a limit, what they started included: their group, and all that descends from
 * them. (A limit by the system, as of address space, ends Node at sizes that it never uses.) Where there is no /proc, nothing
 * is watched. What leaves the group and is given up by its parent is not seen.
 */
export class MemoryWatch {
  readonly #watched = new Set<Watched>();
  #timer: NodeJS.Timeout | undefined;

  /** Calls `onOver` at most once. Answers what ends the watching. */
  watch(pid: number, maxBytes: number, onOver: (bytes: number) => void): () => void {
    const watched = { pid, maxBytes, onOver };
    this.#watched.add(watched);
    if (this.#timer === undefined) this.#lookAfter(intervalMs);
    return () => {
      this.#watched.delete(watched);
      if (this.#watched.size > 0) return;
      clearTimeout(this.#timer);
      this.#timer = undefined;
    };
  }

  #lookAfter(ms: number): void {
    this.#timer = setTimeout(() => {
      const startedMs = performance.now();
      this.#look();
      this.#timer = undefined;
      const tookMs = performance.now() - startedMs;
      if (this.#watched.size > 0) this.#lookAfter(Math.max(intervalMs, tookMs / lookingShare));
    }, ms).unref();
  }

  #look(): void {
    const processes = listProcesses();
    for (const watched of [...this.#watched]) {
      const bytes = residentBytes(watched.pid, processes);
      if (bytes <= watched.maxBytes || !this.#watched.delete(watched)) continue;
      watched.onOver(bytes);
    }
  }
}

/** Resident bytes of a process, of its group, and of all that descends from it; 0 when they are gone. */
function residentBytes(pid: number, processes: readonly ListedProcess[]): number {
  const own = new Set([pid]);
  for (let before = 0; before < own.size; ) {
    before = own.size;
    for (const one of processes) if (one.group === pid || own.has(one.parent)) own.add(one.pid);
  }
  let bytes = 0;
  for (const one of own) {
    const status = readProc(`${one}/status`) ?? "";
    bytes += Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  }
  return bytes;
}
