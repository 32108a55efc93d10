import { chmodSync, statSync } from "node:fs";
import { isAppError } from "@holdfast/protocol";
import { Connection } from "../sqlite/connection.ts";
import { isBusy } from "../sqlite/failures.ts";

/**
 * The owner's place: an exclusive transaction on a SQLite database of its own, `<path>.lock`. The system's file locks end
 * with the process, however it ends. Nothing else in a process may open that file: POSIX drops a process's locks on a file
 * when any of its descriptors for it is closed.
 */
export class OwnerLock {
  readonly #connection: Connection;
  readonly #file: string;
  readonly #inode: number;

  private constructor(connection: Connection, file: string) {
    this.#connection = connection;
    this.#file = file;
    this.#inode = inodeOf(file);
  }

  /** Undefined while another holds it. Throws AppErrors when the folder cannot be written in. */
  static take(path: string): OwnerLock | undefined {
    const file = `${path}.lock`;
    const connection = new Connection(file, { waitMs: 0 });
    try {
      connection.script("BEGIN EXCLUSIVE");
      chmodSync(file, 0o600);
      return new OwnerLock(connection, file);
    } catch (error) {
      connection.close();
      if (isAppError(error, "store_unavailable") && isBusy(error.cause)) return undefined;
      throw error;
    }
  }

  /** False when its file was moved or removed: then somebody else may hold another one of that name. */
  get stands(): boolean {
    return inodeOf(this.#file) === this.#inode;
  }

  release(): void {
    this.#connection.close();
  }
}

function inodeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.ino ?? 0;
}
