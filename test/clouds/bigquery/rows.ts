import { page } from "../google/pages.ts";
import type { Cell, QueryResult, ResultField } from "./engine.ts";

/** A page of rows as `getQueryResults`, `query` and `tabledata.list` send them. */
export function showRows(
  result: QueryResult,
  options: { start: number; size: number; token: string | null; areTimestampsWhole: boolean },
): { rows?: object[]; pageToken?: string; totalRows: string } {
  const totalRows = String(result.rows.length);
  // Nothing is wanted but whether the job is complete.
  if (options.size === 0) return { totalRows };
  const { items, nextPageToken } = page(result.rows.slice(options.start), options);
  const rows = items.map((row) => ({
    f: row.map((cell, at) => ({ v: shown(cell, result.fields[at], options.areTimestampsWhole) })),
  }));
  return {
    ...(rows.length > 0 && { rows }),
    ...(nextPageToken !== undefined && { pageToken: nextPageToken }),
    totalRows,
  };
}

export function showSchema(result: QueryResult): { fields: object[] } {
  return { fields: result.fields.map(showField) };
}

function showField({ name, type, mode, fields }: ResultField): object {
  return { name, type, mode: mode ?? "NULLABLE", ...(fields && { fields: fields.map(showField) }) };
}

/** Timestamps are seconds as a floating number unless `formatOptions.useInt64Timestamp` asks for whole microseconds. */
function shown(cell: Cell, field: ResultField | undefined, areTimestampsWhole: boolean): Cell {
  if (cell === null || field === undefined || areTimestampsWhole) return cell;
  if (typeof cell === "string") return field.type === "TIMESTAMP" ? seconds(cell) : cell;
  if ("f" in cell) return { f: cell.f.map(({ v }, at) => ({ v: shown(v, field.fields?.[at], false) })) };
  return cell.map(({ v }) => ({ v: shown(v, field, false) }));
}

/** `1.7040672E9`, as the service writes seconds. */
function seconds(micros: string): string {
  const value = Number(micros) / 1e6;
  if (value === 0) return "0.0";
  const [mantissa = "", exponent = ""] = value.toExponential().split("e");
  return `${mantissa.includes(".") ? mantissa : `${mantissa}.0`}E${Number(exponent)}`;
}
