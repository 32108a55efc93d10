import { statSync } from "node:fs";
import { AppError } from "@holdfast/protocol";

/**
 * Files that have to stay where they are while a store is open: what is written to a file without a name is lost with its
 * process, and the next who comes makes another store in its place.
 */
export class StandingFiles {
  readonly #name: string;
  readonly #stamps: ReadonlyMap<string, string>;

  /** `name`: of the store in messages. */
  constructor(name: string, files: readonly string[]) {
    this.#name = name;
    this.#stamps = new Map(files.map((file) => [file, stampOf(file)]));
  }

  /** Why nothing can be acknowledged any more: a file was removed, or another has taken its place. */
  defect(): AppError | undefined {
    for (const [file, stamp] of this.#stamps) {
      if (stampOf(file) !== stamp) return goneFrom(this.#name, file);
    }
    return undefined;
  }
}

function stampOf(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  return found === undefined ? "" : `${found.dev}:${found.ino}`;
}

function goneFrom(name: string, file: string): AppError {
  return new AppError(
    "store_unavailable",
    `The store ${name} is not there any more: ${file} was removed or replaced.`,
    {
      hint: "What is written now would be lost. Put it back, or stop this process and start it again for a new store.",
    },
  );
}
