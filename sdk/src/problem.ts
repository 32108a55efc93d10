import type { Position } from "./source-position.ts";

/** One mistake in a definition: where it is, what is wrong, what is likely meant. */
export interface Problem {
  /** Absolute here; the compiler makes it relative to the project's root. Empty when unknown. */
  readonly file: string;
  readonly line: number;
  readonly column?: number;
  readonly message: string;
  readonly hint: string;
}

/** Mistakes as they are found: all of them, not only the first. */
export class ProblemList {
  readonly found: Problem[] = [];

  add(at: Position | undefined, message: string, hint: string): void {
    const place = at === undefined ? { file: "", line: 0 } : { file: at.file, line: at.line, column: at.column };
    this.found.push({ ...place, message, hint });
  }
}
