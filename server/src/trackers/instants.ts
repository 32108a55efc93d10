/** RFC 3339 with nanoseconds, or nothing. */
export function instantMs(text: string | undefined): number | undefined {
  const at = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}

/** Start and end, where they are known. */
export function span(
  startedAt: number | undefined,
  endedAt: number | undefined,
): { startedAt?: number; endedAt?: number } {
  return { ...(startedAt !== undefined && { startedAt }), ...(endedAt !== undefined && { endedAt }) };
}
