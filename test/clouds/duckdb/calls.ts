/** What a call of GoogleSQL is in DuckDB's SQL; arguments come translated. */
type Rewrite = (args: readonly string[], name: string) => string;

const unquoted = (part: string | undefined) => (part ?? "").trim().toLowerCase().replaceAll(/^'|'$/g, "");
const asWritten: Rewrite = (args, name) => `${name}(${args.join(",")})`;
const named =
  (name: string): Rewrite =>
  (args) =>
    `${name}(${args.join(",")})`;

/** `DATE_TRUNC(x, WEEK(MONDAY))`: DuckDB's weeks begin on Monday, GoogleSQL's WEEK on Sunday. */
function truncated(kind: string): Rewrite {
  return ([value = "", part = ""]) => {
    const unit = unquoted(part);
    const whole = `date_trunc('${unit === "isoweek" || unit === "week(monday)" ? "week" : unit}', ${value})`;
    const week = `date_trunc('week', ${value} + INTERVAL 1 DAY) - INTERVAL 1 DAY`;
    return `CAST(${unit === "week" ? week : whole} AS ${kind})`;
  };
}

/** `DATE_ADD(x, INTERVAL 1 DAY)`. */
function moved(kind: string, sign: "+" | "-"): Rewrite {
  return ([value = "", interval = ""]) => `CAST((${value} ${sign} ${interval}) AS ${kind})`;
}

/** `DATE_DIFF(later, earlier, DAY)`: how many borders of the part lie between. */
const difference: Rewrite = ([later = "", earlier = "", part = ""]) =>
  `date_diff('${unquoted(part)}', ${earlier}, ${later})`;

function formatted(kind: string): Rewrite {
  return ([format = "", value = ""]) => `strftime(CAST(${value} AS ${kind}), ${format})`;
}

function parsed(kind: string): Rewrite {
  return ([format = "", value = ""]) => `CAST(strptime(${value}, ${format}) AS ${kind})`;
}

function cast(kind: string): Rewrite {
  return (args) => {
    if (args.length === 3) return kind === "DATE" ? `make_date(${args.join(",")})` : asWritten(args, kind);
    return `CAST(${args[0] ?? ""} AS ${kind})`;
  };
}

/** `STRUCT(1 AS a, b)`: fields without a name take that of their column. */
const struct: Rewrite = (args) => {
  const fields = args.map((arg, at) => {
    const [, value = arg, name] = /^([\s\S]*?)\s+AS\s+("[^"]+"|\w+)\s*$/i.exec(arg) ?? [];
    const own = name ?? /(\w+)"?\s*$/.exec(value)?.[1] ?? `f${at}`;
    return `${own} := ${value}`;
  });
  return `struct_pack(${fields.join(", ")})`;
};

/** `EXTRACT(DAYOFWEEK FROM x)`: Sunday is 1 in GoogleSQL, 0 in DuckDB. */
const extract: Rewrite = ([arg = ""]) => {
  const [, part = "", value = ""] = /^(\w+)\s+FROM\s+([\s\S]*)$/i.exec(arg) ?? [];
  const unit = part.toUpperCase();
  if (unit === "DAYOFWEEK") return `(EXTRACT(dow FROM ${value}) + 1)`;
  if (unit === "DATE") return `CAST(${value} AS DATE)`;
  return `EXTRACT(${unit === "DAYOFYEAR" ? "doy" : part} FROM ${value})`;
};

/** By the call's name in capitals. What is not here is written as it was. */
export const rewrites: Readonly<Record<string, Rewrite>> = {
  DATE_TRUNC: truncated("DATE"),
  DATETIME_TRUNC: truncated("TIMESTAMP"),
  TIMESTAMP_TRUNC: truncated("TIMESTAMPTZ"),
  DATE_ADD: moved("DATE", "+"),
  DATE_SUB: moved("DATE", "-"),
  DATETIME_ADD: moved("TIMESTAMP", "+"),
  DATETIME_SUB: moved("TIMESTAMP", "-"),
  TIMESTAMP_ADD: moved("TIMESTAMPTZ", "+"),
  TIMESTAMP_SUB: moved("TIMESTAMPTZ", "-"),
  DATE_DIFF: difference,
  DATETIME_DIFF: difference,
  TIMESTAMP_DIFF: difference,
  FORMAT_DATE: formatted("DATE"),
  FORMAT_DATETIME: formatted("TIMESTAMP"),
  FORMAT_TIMESTAMP: formatted("TIMESTAMPTZ"),
  PARSE_DATE: parsed("DATE"),
  PARSE_DATETIME: parsed("TIMESTAMP"),
  PARSE_TIMESTAMP: parsed("TIMESTAMPTZ"),
  DATE: cast("DATE"),
  DATETIME: cast("TIMESTAMP"),
  TIMESTAMP: cast("TIMESTAMPTZ"),
  STRING: cast("VARCHAR"),
  CURRENT_DATE: named("current_date"),
  CURRENT_TIMESTAMP: () => "now()",
  CURRENT_DATETIME: () => "CAST(now() AS TIMESTAMP)",
  TIMESTAMP_SECONDS: named("to_timestamp"),
  TIMESTAMP_MILLIS: ([value = ""]) => `to_timestamp(${value} / 1000.0)`,
  TIMESTAMP_MICROS: ([value = ""]) => `make_timestamptz(${value})`,
  UNIX_SECONDS: ([value = ""]) => `CAST(floor(epoch(${value})) AS BIGINT)`,
  UNIX_MILLIS: named("epoch_ms"),
  UNIX_MICROS: named("epoch_us"),
  SAFE_DIVIDE: ([a = "", b = ""]) => `((${a}) / nullif(${b}, 0))`,
  DIV: ([a = "", b = ""]) => `((${a}) // (${b}))`,
  IEEE_DIVIDE: ([a = "", b = ""]) => `(CAST(${a} AS DOUBLE) / (${b}))`,
  COUNTIF: named("count_if"),
  LOGICAL_AND: named("bool_and"),
  LOGICAL_OR: named("bool_or"),
  ARRAY_LENGTH: named("len"),
  GENERATE_ARRAY: named("generate_series"),
  ARRAY_CONCAT: ([first = "", ...others]) => others.reduce((whole, part) => `list_concat(${whole}, ${part})`, first),
  REGEXP_CONTAINS: named("regexp_matches"),
  REGEXP_REPLACE: (args) => `regexp_replace(${args.join(",")}, 'g')`,
  REGEXP_EXTRACT: ([value = "", pattern = ""]) => {
    const group = /(^|[^\\])\((?!\?)/.test(pattern) ? 1 : 0;
    return `CASE WHEN regexp_matches(${value}, ${pattern}) THEN regexp_extract(${value}, ${pattern}, ${group}) END`;
  },
  SPLIT: ([value = "", separator = "','"]) => `string_split(${value}, ${separator})`,
  GENERATE_UUID: () => "CAST(uuid() AS VARCHAR)",
  TO_JSON_STRING: ([value = ""]) => `CAST(to_json(${value}) AS VARCHAR)`,
  JSON_VALUE: named("json_extract_string"),
  JSON_QUERY: named("json_extract"),
  STRUCT: struct,
  EXTRACT: extract,
};

/** Types whose names mean something else in DuckDB, or nothing. */
export const typeNames: Readonly<Record<string, string>> = {
  INT64: "BIGINT",
  FLOAT64: "DOUBLE",
  BYTES: "BLOB",
  NUMERIC: "DECIMAL(38,9)",
  BIGNUMERIC: "DECIMAL(38,9)",
  DATETIME: "TIMESTAMP",
  TIMESTAMP: "TIMESTAMPTZ",
};
