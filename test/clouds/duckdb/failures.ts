import { QueryFailure } from "../bigquery/engine.ts";

/** What DuckDB says, in BigQuery's words where it has some: `Unrecognized name: foo at [1:8]`. */
export function failureOf(error: unknown, { project, sql }: { project: string; sql: string }): QueryFailure {
  if (error instanceof QueryFailure) return error;
  const message = (error instanceof Error ? error.message : String(error)).replace(
    /^Failed to extract statements: /,
    "",
  );
  const [, kind = "", said = message] = /^(\w+(?: \w+)?) Error: ([\s\S]*)$/.exec(message) ?? [];
  const first = said.split("\n")[0] ?? said;
  const place = placeIn(message);
  const missing = /^Table with name "?([\w.]+)"? does not exist/.exec(first)?.[1];
  if (kind === "Catalog" && missing !== undefined) {
    const isDataset = /because schema/.test(first);
    const what = isDataset
      ? `Dataset ${project}:${missing.split(".")[0]}`
      : `Table ${project}:${datasetOf(missing, sql)}${missing}`;
    return new QueryFailure("notFound", `Not found: ${what} was not found in location US`, "query");
  }
  const column = /^Referenced column "([^"]+)" (?:not found|was not found)/.exec(first)?.[1];
  if (kind === "Binder" && column !== undefined)
    return new QueryFailure("invalidQuery", `Unrecognized name: ${column}${place}`, "query");
  const call = /^\w+ Function with name "?([\w.]+)"? does not exist/.exec(first)?.[1];
  if (call !== undefined) return new QueryFailure("invalidQuery", `Function not found: ${call}${place}`, "query");
  if (kind === "Parser") return new QueryFailure("invalidQuery", `Syntax error: ${first}${place}`, "query");
  if (kind === "INTERRUPT")
    return new QueryFailure("stopped", "Job execution was cancelled: User requested cancellation");
  if (/already exists/.test(first)) return new QueryFailure("duplicate", `Already Exists: ${first}`, "query");
  if (kind === "Permission") return new QueryFailure("accessDenied", `Access Denied: ${first}`);
  if (kind === "Internal" || kind === "IO" || kind === "Out of Memory") return new QueryFailure("internalError", first);
  return new QueryFailure("invalidQuery", `${first}${place}`, "query");
}

/** DuckDB names a missing table without its dataset, which the statement names. */
function datasetOf(table: string, sql: string): string {
  const dataset = table.includes(".") ? undefined : new RegExp(`(\\w+)[\`"]?\\.[\`"]?${table}\\b`, "i").exec(sql)?.[1];
  return dataset === undefined ? "" : `${dataset}.`;
}

/** ` at [1:8]`, from the line that DuckDB shows with a caret below. It is that of the translated statement. */
function placeIn(message: string): string {
  const [, head = "", number] = /\n(LINE (\d+): )[^\n]*\n/.exec(message) ?? [];
  const caret = /\n( *)\^/.exec(message)?.[1];
  if (number === undefined || caret === undefined) return "";
  return ` at [${number}:${Math.max(1, caret.length - head.length + 1)}]`;
}
