import { Refusal } from "../refusal.ts";

/** A page of a list, and the token of the next; tokens say nothing to whoever reads them. */
export function page<T>(
  items: readonly T[],
  options: { size: number; token: string | null },
): { readonly items: readonly T[]; readonly nextPageToken?: string } {
  const from = options.token === null || options.token === "" ? 0 : placeIn(options.token);
  const until = from + options.size;
  const next = until < items.length ? { nextPageToken: Buffer.from(`clouds:${until}`).toString("base64url") } : {};
  return { items: items.slice(from, until), ...next };
}

function placeIn(token: string): number {
  const place = /^clouds:(\d+)$/.exec(Buffer.from(token, "base64url").toString("utf8"))?.[1];
  if (place === undefined) throw new Refusal(400, "Invalid page token.", "invalid");
  return Number(place);
}
