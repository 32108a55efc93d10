import type { Json, TrackingFailure } from "@holdfast/protocol";
import { isTransientStatus, retryAfterMs, shortText, unauthorized } from "./failures.ts";
import type { Answer } from "./outbound.ts";

/** An answer as JSON; undefined where it is none. */
export function jsonOf(answer: Pick<Answer, "text">): Json | undefined {
  try {
    return JSON.parse(answer.text) as Json;
  } catch {
    return undefined;
  }
}

export function isGood(status: number): boolean {
  return status >= 200 && status <= 299;
}

/** What a status means that is no good one, where nobody has said otherwise. */
export function httpFailure(answer: Answer, now: number): TrackingFailure {
  const { status, undecided: isUndecided } = answer;
  const undecided = isUndecided ? { undecided: true } : {};
  const said = saidIn(jsonOf(answer));
  const message = shortText(`HTTP request failed with status ${status}${said === undefined ? "" : `: ${said}`}`);
  const code = `http_${status}`;
  if (status === 401) {
    const hint = "Put the credentials into the connection's headers.";
    return { ...unauthorized(code, message, hint).failure, ...undecided };
  }
  const after = retryAfterMs(answer.headers["retry-after"], now);
  const rest = { code, message, ...(after !== undefined && { retryAfterMs: after }), ...undecided };
  if (isTransientStatus(status)) return { fault: "transient", ...rest };
  return { fault: status < 400 ? "transient" : "permanent", ...rest };
}

function saidIn(body: Json | undefined): string | undefined {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return undefined;
  const { error, message } = body as Readonly<Record<string, Json>>;
  const said = error ?? message;
  return said === undefined ? undefined : typeof said === "string" ? said : JSON.stringify(said);
}
