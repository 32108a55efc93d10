import { readFileSync } from "node:fs";

const intervalMs = 200;
const deepest = 20;

interface Watched {
  readonly pid: number;
  readonly maxBytes: number;
  readonly onOver: (bytes: number) => void;
}

/**
 * Looks at the resident size of processes with a limit, what they started included. (A limit by the system, as of address
 * space, ends Node at sizes that it never uses.) Where there is no /proc, nothing is watched.
 */
export class MemoryWatch {
  readonly #watched = new Set<Watched>();
  #timer: NodeJS.Timeout | undefined;

  /** Calls `onOver` at most once. Answers what ends the watching. */
  watch(pid: number, maxBytes: number, onOver: (bytes: number) => void): () => void {
    const watched = { pid, maxBytes, onOver };
    this.#watched.add(watched);
    this.#timer ??= setInterval(() => this.#look(), intervalMs).unref();
    return () => {
      this.#watched.delete(watched);
      if (this.#watched.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  #look(): void {
    for (const watched of [...this.#watched]) {
      const bytes = residentBytes(watched.pid);
      if (bytes <= watched.maxBytes || !this.#watched.delete(watched)) continue;
      watched.onOver(bytes);
    }
  }
}

/** Resident bytes of a process and all that descends from it; 0 when it is gone. */
export function residentBytes(pid: number, depth = 0): number {
  let bytes = 0;
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    bytes = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
    if (depth >= deepest) return bytes;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1");
    for (const child of children.split(" ")) {
      if (child !== "") bytes += residentBytes(Number(child), depth + 1);
    }
  } catch {
    // gone meanwhile
  }
  return bytes;
}
