import { statSync } from "node:fs";
import { AppError } from "@holdfast/protocol";

interface Known {
  /** Device and inode. */
  readonly identity: string;
  readonly bytes: number;
}

/**
 * Files that have to stay where and as they are while a store is open: what is written to a file without a name, or behind a hole
 * where somebody has cut it, is lost with its process. Looked at before each turn of the one who writes them, and after it.
 */
export class StandingFiles {
  readonly #name: string;
  readonly #known = new Map<string, Known>();

  /** `name`: of the store in messages. */
  constructor(name: string) {
    this.#name = name;
  }

  /**
   * Why nothing can be done any more: since the last turn a file was removed, replaced or cut by somebody else. `mayBeCut`: whether
   * nothing is lost by it.
   */
  defect(mayBeCut: (file: string) => boolean = () => false): AppError | undefined {
    for (const [file, { identity, bytes }] of this.#known) {
      const now = look(file);
      if (now?.identity !== identity) return gone(this.#name, `${file} was removed or replaced`);
      if (now.bytes >= bytes) continue;
      if (!mayBeCut(file)) return gone(this.#name, `${file} was cut from ${bytes} to ${now.bytes} bytes`);
      this.#known.set(file, now);
    }
    return undefined;
  }

  /**
   * Takes the store's files as its own turn has left them. Why what was done in it cannot be acknowledged: a file was removed or
   * replaced meanwhile. `files`: whole paths; those that are not named any more may go.
   */
  settle(files: readonly string[]): AppError | undefined {
    const named = new Set(files);
    for (const file of this.#known.keys()) if (!named.has(file)) this.#known.delete(file);
    let defect: AppError | undefined;
    for (const file of files) {
      const known = this.#known.get(file);
      const now = look(file);
      if (now === undefined || (known !== undefined && known.identity !== now.identity)) {
        defect ??= gone(this.#name, `${file} was removed or replaced`);
        // What was never seen cannot be told from what takes its place.
        if (known === undefined) this.#known.set(file, { identity: "", bytes: 0 });
      } else this.#known.set(file, now);
    }
    return defect;
  }
}

function look(file: string): Known | undefined {
  const found = statSync(file, { throwIfNoEntry: false });
  return found && { identity: `${found.dev}:${found.ino}`, bytes: found.size };
}

function gone(name: string, what: string): AppError {
  return new AppError("store_unavailable", `The store ${name} is not there any more as it was: ${what}.`, {
    hint: "What is written now would be lost. Put it back, or stop this process and start it again for what is there.",
    // Whoever only looks need not ask again for long.
    details: { gone: what },
  });
}
