import { chmodSync } from "node:fs";
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

  private constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Undefined while another holds it. Throws AppErrors when the folder cannot be written in. */
  static take(path: string): OwnerLock | undefined {
    const file = `${path}.lock`;
    const connection = new Connection(file, { waitMs: 0 });
    try {
      connection.script("BEGIN EXCLUSIVE");
      chmodSync(file, 0o600);
      return new OwnerLock(connection);
    } catch (error) {
      connection.close();
      if (isAppError(error, "store_unavailable") && isBusy(error.cause)) return undefined;
      throw error;
    }
  }

  release(): void {
    this.#connection.close();
  }
}
