import type { Json } from "@holdfast/protocol";

/** What a JSON pointer (RFC 6901) shows of a value; undefined where there is nothing. */
export function pointed(value: Json | undefined, pointer: string): Json | undefined {
  let at: unknown = value;
  for (const part of pointer === "" ? [] : pointer.slice(1).split("/")) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Readonly<Record<string, unknown>>)[key];
  }
  return at as Json | undefined;
}

/** The pointer to a field of the outermost object. */
export function pointerTo(field: string): string {
  return `/${field.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}
