import { readFileSync } from "node:fs";
import { type Json, limits, nestsDeeper, tooDeep } from "@holdfast/protocol";
import { UsageError } from "./failures.ts";

/** The value, when it is not nested too deeply to be given to a run. */
export function shallow(value: Json, what: string): Json {
  if (!nestsDeeper(value, limits.nestingLevels)) return value;
  const { message, hint = "" } = tooDeep(what, limits.nestingLevels);
  throw new UsageError(message, hint);
}

/** What a flag gives, and how large it may be. */
interface Given {
  readonly flag: string;
  /** `The input`. */
  readonly what: string;
  readonly maxBytes: number;
}

/** The JSON of a flag, or of the file after an `@`. */
export function givenJson(text: string, { flag, what, maxBytes }: Given): Json {
  const source = text.startsWith("@") ? readGivenFile(text.slice(1), { flag, what }) : text;
  if (source.length > 4 * maxBytes) {
    throw new UsageError(`${what} is too large.`, "Keep large data in a file and pass its name.");
  }
  try {
    return shallow(JSON.parse(source) as Json, what);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    const name = flag.replace("--", "");
    throw new UsageError(
      `${what} is not JSON: ${message}.`,
      `Quote it for the shell: ${flag} '{"name":"Ada"}', or name a file: ${flag} @${name}.json.`,
    );
  }
}

function readGivenFile(path: string, { flag, what }: Pick<Given, "flag" | "what">): string {
  const file = path === "-" ? "standard input" : path;
  let bytes: Buffer;
  try {
    bytes = readFileSync(path === "-" ? 0 : path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    const message = error instanceof Error ? error.message : String(error);
    const hint = `Write ${flag} @FILE, or @- for standard input.`;
    if (code === "ENOENT") throw new UsageError(`There is no file ${path}.`, hint);
    if (code === "EISDIR") throw new UsageError(`${path} is a folder.`, `Name a file in it: ${flag} @${path}/FILE.`);
    throw new UsageError(`${file} cannot be read: ${message}.`, hint);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UsageError(
      `${what} in ${file} is no UTF-8 text.`,
      "Save it as UTF-8; what is not text belongs into a file of its own.",
    );
  }
}
