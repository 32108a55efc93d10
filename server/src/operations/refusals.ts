import type { ErrorCode } from "@holdfast/protocol";

/** Codes that are about what was asked for itself: as it is, with this manifest, it will never be carried out. */
export const refusals: ReadonlySet<ErrorCode> = new Set([
  "not_found",
  "invalid_input",
  "invalid_definition",
  "invalid_request",
  "too_large",
  "limit_exceeded",
  "unsupported",
]);
