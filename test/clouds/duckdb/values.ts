import type { Cell, ParameterType, ParameterValue, QueryParameter, ResultField } from "../bigquery/engine.ts";
import { QueryFailure } from "../bigquery/engine.ts";

// Values of DuckDB as BigQuery sends them, and BigQuery's parameters as DuckDB takes them.

/** A column's type as the package describes it. */
export interface ColumnType {
  readonly typeId: number;
  readonly valueType?: ColumnType;
  readonly entryNames?: readonly string[];
  readonly entryTypes?: readonly ColumnType[];
  toString(): string;
}

const scalars: Readonly<Record<string, string>> = {
  BOOLEAN: "BOOLEAN",
  TINYINT: "INTEGER",
  SMALLINT: "INTEGER",
  INTEGER: "INTEGER",
  BIGINT: "INTEGER",
  UTINYINT: "INTEGER",
  USMALLINT: "INTEGER",
  UINTEGER: "INTEGER",
  UBIGINT: "INTEGER",
  // What sums of integers have; BigQuery's stay INT64.
  HUGEINT: "INTEGER",
  UHUGEINT: "INTEGER",
  FLOAT: "FLOAT",
  DOUBLE: "FLOAT",
  DATE: "DATE",
  TIME: "TIME",
  TIMESTAMP: "DATETIME",
  TIMESTAMP_S: "DATETIME",
  TIMESTAMP_MS: "DATETIME",
  TIMESTAMP_NS: "DATETIME",
  "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
  BLOB: "BYTES",
  JSON: "JSON",
};

export function fieldOf(name: string, type: ColumnType): ResultField {
  if (type.valueType !== undefined && type.entryTypes === undefined)
    return { ...fieldOf(name, type.valueType), mode: "REPEATED" };
  if (type.entryTypes !== undefined && type.entryNames !== undefined) {
    const names = type.entryNames;
    return { name, type: "RECORD", fields: type.entryTypes.map((entry, at) => fieldOf(names[at] ?? "", entry)) };
  }
  const shown = type.toString();
  if (shown.startsWith("DECIMAL")) return { name, type: "NUMERIC" };
  return { name, type: scalars[shown] ?? "STRING" };
}

interface Valued {
  readonly items?: readonly unknown[];
  readonly entries?: Readonly<Record<string, unknown>>;
  readonly micros?: bigint;
  readonly bytes?: Uint8Array;
  toString(): string;
}

export function cellOf(value: unknown, field: ResultField): Cell {
  if (value === null || value === undefined) return field.mode === "REPEATED" ? [] : null;
  const { items, entries, micros, bytes } = value as Valued;
  if (field.mode === "REPEATED")
    return (items ?? []).map((item) => ({ v: cellOf(item, { ...field, mode: "NULLABLE" }) }));
  if (field.type === "RECORD") {
    return { f: (field.fields ?? []).map((inner) => ({ v: cellOf(entries?.[inner.name], inner) })) };
  }
  switch (field.type) {
    case "TIMESTAMP":
      return String(micros);
    case "DATETIME":
      return String(value).replace(" ", "T");
    case "BYTES":
      return Buffer.from(bytes ?? []).toString("base64");
    case "FLOAT":
      return Number.isInteger(value) ? `${value}.0` : String(value);
    case "NUMERIC":
      // 1.500000000 is sent as 1.5.
      return String(value)
        .replace(/(\.\d*?)0+$/, "$1")
        .replace(/\.$/, "");
    default:
      return String(value);
  }
}

const parameterTypes: Readonly<Record<string, string>> = {
  STRING: "VARCHAR",
  INT64: "BIGINT",
  INTEGER: "BIGINT",
  FLOAT64: "DOUBLE",
  FLOAT: "DOUBLE",
  BOOL: "BOOLEAN",
  BOOLEAN: "BOOLEAN",
  NUMERIC: "DECIMAL(38,9)",
  BIGNUMERIC: "DECIMAL(38,9)",
  DATE: "DATE",
  TIME: "TIME",
  DATETIME: "TIMESTAMP",
  TIMESTAMP: "TIMESTAMPTZ",
  JSON: "JSON",
};

/** Parameters as text to put in their place, and the values that DuckDB is handed beside the statement. */
export class Parameters {
  readonly values: Record<string, string | null> = {};
  readonly #texts = new Map<string, string>();

  constructor(parameters: readonly QueryParameter[]) {
    for (const [at, { name, parameterType, parameterValue }] of parameters.entries()) {
      this.#texts.set(name?.toLowerCase() ?? String(at), this.#text(parameterType, parameterValue));
    }
  }

  /** In brackets, so that it may stand after INTERVAL too. */
  textOf(name: string): string {
    const text = this.#texts.get(name.toLowerCase());
    if (text !== undefined) return `(${text})`;
    const what = /^\d+$/.test(name)
      ? `Number of positional parameters (${this.#texts.size}) is too small`
      : `Query parameter '${name}' not found`;
    throw new QueryFailure("invalidQuery", what, "query");
  }

  #text(type: ParameterType, value: ParameterValue): string {
    if (type.type === "ARRAY") {
      const inner = type.arrayType ?? { type: "STRING" };
      const items = (value.arrayValues ?? []).map((item) => this.#text(inner, item));
      return items.length === 0 ? `CAST([] AS ${this.#scalar(inner)}[])` : `[${items.join(", ")}]`;
    }
    if (type.type === "STRUCT") {
      const fields = (type.structTypes ?? []).map((field, at) => {
        const name = field.name ?? `f${at}`;
        return `"${name}": ${this.#text(field.type, value.structValues?.[name] ?? { value: null })}`;
      });
      return `{${fields.join(", ")}}`;
    }
    const placed = `p${Object.keys(this.values).length}`;
    this.values[placed] = value.value ?? null;
    if (type.type === "BYTES") return `from_base64($${placed})`;
    return `CAST($${placed} AS ${this.#scalar(type)})`;
  }

  #scalar({ type }: ParameterType): string {
    const known = parameterTypes[type];
    if (known === undefined) throw new QueryFailure("invalidQuery", `Unsupported parameter type: ${type}`, "query");
    return known;
  }
}
