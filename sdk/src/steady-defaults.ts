import { canonicalText, type Json, type JsonObject } from "@holdfast/protocol";
import { fieldName } from "./field-name.ts";

// A default that is a function (`.default(() => new Date().toISOString())`) gives one value when it is asked for a schema, and
// that value would stand in the manifest: equal for every run, and another one at each compilation.

/** The schema without the defaults that a second reading gives differently, and where they were. */
export function steadyPart(
  first: JsonObject,
  readAgain: () => JsonObject,
): { readonly jsonSchema: JsonObject; readonly unsteady: readonly string[] } {
  if (!hasDefault(first)) return { jsonSchema: first, unsteady: [] };
  const second = atAnotherTime(readAgain);
  const unsteady: string[] = [];
  return { jsonSchema: compared(first, second, { path: [], isNames: false, unsteady }) as JsonObject, unsteady };
}

function hasDefault(schema: JsonObject): boolean {
  return JSON.stringify(schema).includes('"default":');
}

interface Comparison {
  readonly path: readonly string[];
  /** Whether the object's keys are names of fields and not words of a schema. */
  readonly isNames: boolean;
  readonly unsteady: string[];
}

const namesFields = new Set(["properties", "patternProperties", "$defs"]);

function compared(first: Json, second: Json | undefined, { path, isNames, unsteady }: Comparison): Json {
  if (typeof first !== "object" || first === null) return first;
  const others = typeof second === "object" && second !== null ? (second as JsonObject) : {};
  const inner = (key: string, value: Json): Json => {
    return compared(value, others[key], {
      path: [...path, key],
      isNames: !isNames && namesFields.has(key),
      unsteady,
    });
  };
  if (Array.isArray(first)) return first.map((item: Json, i) => inner(String(i), item));
  const kept: Record<string, Json> = {};
  for (const [key, value] of Object.entries(first as JsonObject)) {
    const other = others[key];
    if (key !== "default" || isNames) {
      Object.defineProperty(kept, key, { value: inner(key, value), enumerable: true, configurable: true });
    } else if (other !== undefined && canonicalText(value) === canonicalText(other)) kept[key] = value;
    else unsteady.push(fieldName(path));
  }
  return kept;
}

/** More than a year, a month, a weekday, an hour, a minute and a second, so that every part of a date is another one. */
const laterMs = 400 * 86_400_000 + 5 * 3_600_000 + 17 * 60_000 + 13_457;

/** What `read` gives when every clock that JavaScript knows is elsewhere. Random values differ by themselves. */
function atAnotherTime<T>(read: () => T): T {
  const RealDate = globalThis.Date;
  const LaterDate = new Proxy(RealDate, {
    apply: () => new RealDate(RealDate.now() + laterMs).toString(),
    construct: (target, args, asked: new () => object) =>
      Reflect.construct(target, args.length === 0 ? [RealDate.now() + laterMs] : args, asked) as object,
    get: (target, name, receiver) =>
      name === "now" ? () => RealDate.now() + laterMs : (Reflect.get(target, name, receiver) as unknown),
  });
  globalThis.Date = LaterDate;
  try {
    return read();
  } finally {
    globalThis.Date = RealDate;
  }
}
