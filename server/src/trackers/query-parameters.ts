import type { Json, JsonObject } from "@holdfast/protocol";
import { permanent } from "./failures.ts";

/** Named parameters of a BigQuery query as jobs.insert wants them. Types follow from the values; all values are texts there. */
export function queryParameters(params: Readonly<Record<string, Json>>): Json {
  return Object.entries(params).map(([name, value]) => {
    return { name, parameterType: typeOf(value, name), parameterValue: parameterValue(value) };
  });
}

function typeOf(value: Json, place: string): JsonObject {
  if (typeof value === "string" || value === null) return { type: "STRING" };
  if (typeof value === "boolean") return { type: "BOOL" };
  if (typeof value === "number") return { type: Number.isSafeInteger(value) ? "INT64" : "FLOAT64" };
  if (!isList(value)) {
    const structTypes = Object.entries(value).map(([name, field]) => ({
      name,
      type: typeOf(field, `${place}.${name}`),
    }));
    return { type: "STRUCT", structTypes };
  }
  return { type: "ARRAY", arrayType: itemType(value, place) };
}

/** BigQuery's lists are of one type; whole numbers among fractions are fractions. */
function itemType(values: readonly Json[], place: string): JsonObject {
  const types = new Map(
    values.map((value, index) => typeOf(value, `${place}[${index}]`)).map((type) => [JSON.stringify(type), type]),
  );
  const names = [...types.values()].map(({ type }) => type);
  if (names.every((name) => name === "INT64" || name === "FLOAT64") && names.length > 1) return { type: "FLOAT64" };
  const [only] = types.values();
  if (only === undefined) {
    throw permanent(
      "invalid_spec",
      `The parameter ${place} is an empty list, whose type nobody knows.`,
      "Cast it in SQL, or leave it out.",
    );
  }
  if (types.size > 1 || only.type === "ARRAY" || values.includes(null)) {
    throw permanent(
      "invalid_spec",
      `The parameter ${place} is a list of several types, of lists or of nulls, which BigQuery does not have.`,
    );
  }
  return only;
}

function parameterValue(value: Json): JsonObject {
  if (value === null) return { value: null };
  if (typeof value !== "object") return { value: String(value) };
  if (isList(value)) return { arrayValues: value.map(parameterValue) };
  return {
    structValues: Object.fromEntries(Object.entries(value).map(([name, field]) => [name, parameterValue(field)])),
  };
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
