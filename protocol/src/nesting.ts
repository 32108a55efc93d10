import { AppError } from "./errors.ts";
import { nestsDeeper } from "./json.ts";

// Values are walked by recursion wherever they go: in two languages, four stores and the libraries of users. So that what is
// taken in at one door passes all others, each door asks here (P11).

/** The refusal of a value that nests deeper than it may. `what`: `The output`. */
export function tooDeep(what: string, levels: number): AppError {
  return new AppError("too_large", `${what} is nested deeper than ${levels} levels.`, { hint: deepHint });
}

/** Throws `too_large`, which begins with `what`, for a value that nests deeper than it may. */
export function checkNesting(value: unknown, levels: number, what: string): void {
  if (nestsDeeper(value, levels)) throw tooDeep(what, levels);
}

const deepHint = "Make a list of what lies within each other, or keep it as text, in a file or an object store.";
