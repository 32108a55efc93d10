/** A length of time for people: `0.4s`, `12s`, `3m 20s`, `2h 5m`, `3d 4h`. */
export function lengthText(ms: number): string {
  if (ms < 9_950) return `${(Math.max(0, ms) / 1_000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return pair(minutes, "m", seconds % 60, "s");
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return pair(hours, "h", minutes % 60, "m");
  return pair(Math.floor(hours / 24), "d", hours % 24, "h");
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit} ${small}${smallUnit}`;
}

/** How long ago a moment (RFC 3339) was. */
export function agoText(time: string, nowMs: number): string {
  const ms = nowMs - Date.parse(time);
  return ms < 1_000 ? "now" : `${lengthText(Math.floor(ms / 1_000) * 1_000).replace(".0s", "s")} ago`;
}

/** A moment of today in local time: `14:03:05`. */
export function clockText(ms: number): string {
  const date = new Date(ms);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}
