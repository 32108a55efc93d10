import type { Problem } from "@holdfast/protocol";
import type { Position } from "./source-position.ts";

/** Mistakes as they are found: all of them, not only the first. */
export class ProblemList {
  readonly found: Problem[] = [];

  add(at: Position | undefined, message: string, hint: string): void {
    const place = at === undefined ? { file: "", line: 0 } : { file: at.file, line: at.line, column: at.column };
    this.found.push({ ...place, message, hint });
  }
}
