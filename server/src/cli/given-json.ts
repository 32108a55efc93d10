import { type Json, limits, nestsDeeper, tooDeep } from "@holdfast/protocol";
import { UsageError } from "./failures.ts";

/** The value, when it is not nested too deeply to be given to a run. */
export function shallow(value: Json, what: string): Json {
  if (!nestsDeeper(value, limits.nestingLevels)) return value;
  const { message, hint = "" } = tooDeep(what, limits.nestingLevels);
  throw new UsageError(message, hint);
}
