// PostgreSQL's text form of arrays: columns of many rows travel as one parameter each and are unnested there.

/** For `::text[]`. */
export function textArray(values: Iterable<string | null>): string {
  let text = "{";
  for (const value of values) {
    if (text.length > 1) text += ",";
    text += value === null ? "NULL" : quoted(value);
  }
  return `${text}}`;
}

/** For arrays of numbers. */
export function numberArray(values: Iterable<number | null>): string {
  let text = "{";
  for (const value of values) {
    if (text.length > 1) text += ",";
    text += value === null ? "NULL" : String(value);
  }
  return `${text}}`;
}

/** For `::bigint[]` of moments and lengths of time: whole milliseconds, never earlier than said. */
export function msArray(values: Iterable<number | null>): string {
  let text = "{";
  for (const value of values) {
    if (text.length > 1) text += ",";
    text += value === null ? "NULL" : String(Math.ceil(value));
  }
  return `${text}}`;
}

const special = /["\\]/g;

function quoted(value: string): string {
  return `"${value.includes('"') || value.includes("\\") ? value.replace(special, "\\$&") : value}"`;
}
