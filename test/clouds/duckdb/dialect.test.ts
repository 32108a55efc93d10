import assert from "node:assert/strict";
import { test } from "node:test";
import { QueryFailure } from "../bigquery/engine.ts";
import { translate } from "./dialect.ts";
import { UnreadableSql } from "./tokens.ts";
import { Parameters } from "./values.ts";

// Faults to catch: a text that ends where a quote in it stands, a name that is taken for a text; a word in a text or comment
// that is translated; a function whose arguments change places or are lost; a parameter that is put into the statement as text.

function sql(text: string): string {
  return translate(text, { project: "p", parameter: (name) => `$${name}` })
    .sql.replaceAll(/\s+/g, " ")
    .trim();
}

const cases: readonly (readonly [string, string])[] = [
  ["SELECT `a b`, `p.d.t`, p.d.t.x FROM `d.t`", 'SELECT "a b", "d"."t", d.t.x FROM "d"."t"'],
  [`SELECT "it's", 'a "b"', r'\\d', "a\\"b\\n", '''x'y'''`, `SELECT 'it''s', 'a "b"', '\\d', 'a"b ', 'x''y'`],
  ["SELECT 1 -- INT64 `\n, 2 # @x\n, 3 /* ? */", "SELECT 1 , 2 , 3"],
  ["SELECT 'INT64 @x ?'", "SELECT 'INT64 @x ?'"],
  [
    "SELECT CAST(x AS INT64), SAFE_CAST(y AS ARRAY<STRUCT<a FLOAT64>>)",
    "SELECT CAST(x AS BIGINT), TRY_CAST(y AS STRUCT(a DOUBLE)[])",
  ],
  ["SELECT DATE_TRUNC(DATE(at), MONTH)", "SELECT CAST(date_trunc('month', CAST(at AS DATE)) AS DATE)"],
  ["SELECT DATE_DIFF(f(a, b), c, DAY)", "SELECT date_diff('day', c, f(a, b))"],
  ["SELECT DATE_ADD(d, INTERVAL @n DAY)", "SELECT CAST((d + INTERVAL $n DAY) AS DATE)"],
  [
    "SELECT FORMAT_DATE('%Y', d), PARSE_DATE('%Y', s)",
    "SELECT strftime(CAST(d AS DATE), '%Y'), CAST(strptime(s, '%Y') AS DATE)",
  ],
  [
    "SELECT a[OFFSET(0)], a[ORDINAL(1)], [1, 2], a[SAFE_OFFSET(i + 1)]",
    "SELECT a[(0) + 1], a[1], [1, 2], a[(i + 1) + 1]",
  ],
  ["SELECT * EXCEPT (a) FROM t EXCEPT DISTINCT SELECT 1", "SELECT * EXCLUDE (a) FROM t EXCEPT DISTINCT SELECT 1"],
  [
    "SELECT x FROM t, UNNEST(t.xs) AS x WHERE y IN UNNEST([1])",
    "SELECT x FROM t, unnest(t.xs) AS _19(x) WHERE y IN (SELECT unnest([1]))",
  ],
  ["SELECT STRUCT(1 AS a, t.b)", "SELECT struct_pack(a := 1, b := t.b)"],
  ["SELECT 1.5, .5, 1e3, 10", "SELECT 1.5e0, .5e0, 1e3, 10"],
  ["SELECT COUNTIF(a), SAFE_DIVIDE(a, b), IF(a, 1, 2)", "SELECT count_if(a), ((a) / nullif(b, 0)), IF(a, 1, 2)"],
  [
    "SELECT timestamp, x AS bytes, TIMESTAMP '2026-01-01 00:00:00' FROM t",
    "SELECT timestamp, x AS bytes, TIMESTAMPTZ '2026-01-01 00:00:00' FROM t",
  ],
  ["CREATE TABLE d.t (a INT64, b TIMESTAMP)", "CREATE TABLE d.t (a BIGINT, b TIMESTAMPTZ)"],
  ["SELECT t.date, t.timestamp FROM t", "SELECT t.date, t.timestamp FROM t"],
  ["CREATE TABLE d.t PARTITION BY x OPTIONS (a='b') AS SELECT 1 AS x", "CREATE TABLE d.t AS SELECT 1 AS x"],
];

for (const [google, duck] of cases) {
  test(`GoogleSQL is translated: ${google.replaceAll("\n", "⏎")}`, () => assert.equal(sql(google), duck));
}

test("a statement says of which kind it is, and whether there are several", () => {
  const of = (text: string) => translate(text, { project: "p", parameter: () => "" });
  const kinds = [
    "-- x\nwith a as (select 1) select 2;",
    "CREATE OR REPLACE TABLE a.b AS SELECT 1",
    "create schema if not exists s",
    "MERGE INTO a",
  ];
  assert.deepEqual(
    kinds.map((text) => of(text).statementType),
    ["SELECT", "CREATE_TABLE_AS_SELECT", "CREATE_SCHEMA", "MERGE"],
  );
  assert.deepEqual(
    [of("SELECT 1; ").isScript, of("SELECT ';'").isScript, of("SELECT 1; SELECT 2").isScript],
    [false, false, true],
  );
});

test("what is no SQL is refused where it stands", () => {
  assert.throws(
    () => sql("SELECT §"),
    (error) => error instanceof UnreadableSql && error.at === 7,
  );
});

test("parameters are handed beside the statement, by name or place, and missing ones are named", () => {
  const parameters = new Parameters([
    { name: "Day", parameterType: { type: "DATE" }, parameterValue: { value: "2026-01-01'; DROP TABLE t; --" } },
    {
      parameterType: { type: "ARRAY", arrayType: { type: "INT64" } },
      parameterValue: { arrayValues: [{ value: "1" }] },
    },
  ]);
  assert.equal(parameters.textOf("day"), "(CAST($p0 AS DATE))");
  assert.equal(parameters.textOf("1"), "([CAST($p1 AS BIGINT)])");
  assert.deepEqual(parameters.values, { p0: "2026-01-01'; DROP TABLE t; --", p1: "1" });
  assert.throws(
    () => parameters.textOf("week"),
    (error) => error instanceof QueryFailure && /parameter 'week' not found/.test(error.message),
  );
});
