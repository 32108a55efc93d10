import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Guard } from "../../guard.ts";

/** Where inputs lie as files for what reads them there. Only this user may; the guard removes the folder with the node. */
export class InputFolder {
  readonly #guard: Guard;
  #folder: string | undefined;
  #files = 0;

  constructor(guard: Guard) {
    this.#guard = guard;
  }

  /** A name for a file of one child. */
  newFile(): string {
    return join(this.#open(), `input-${++this.#files}.json`);
  }

  /** Writes the input that the file of this name is to hold. */
  write(file: string, text: string): void {
    writeFileSync(file, text, { mode: 0o600 });
  }

  #open(): string {
    // What tidies temporary folders may have removed it. Its name could be someone else's by now: a new one is taken.
    if (this.#folder !== undefined && existsSync(this.#folder)) return this.#folder;
    this.#folder = mkdtempSync(join(tmpdir(), "holdfast-"));
    chmodSync(this.#folder, 0o700);
    this.#guard.removeAtEnd(this.#folder);
    return this.#folder;
  }
}

/** The child that used it is gone. */
export function removeInput(file: string): void {
  rmSync(file, { force: true });
}
