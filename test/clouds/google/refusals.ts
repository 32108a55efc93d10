import { Refusal } from "../refusal.ts";
import type { Answer, Exchange } from "../routes.ts";

/** google.rpc.Code by HTTP status, as googleapis/google/rpc/code.proto maps them. */
export const statusNames: Readonly<Record<number, string>> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  409: "ALREADY_EXISTS",
  412: "FAILED_PRECONDITION",
  429: "RESOURCE_EXHAUSTED",
  499: "CANCELLED",
  500: "INTERNAL",
  501: "UNIMPLEMENTED",
  503: "UNAVAILABLE",
  504: "DEADLINE_EXCEEDED",
};

const jsonHeaders = {
  "content-type": "application/json; charset=UTF-8",
  vary: "Origin, X-Origin, Referer",
  "cache-control": "private",
  "x-content-type-options": "nosniff",
};

/** A well answered call. */
export function ok(body: unknown): Answer {
  return { status: 200, body, headers: jsonHeaders };
}

/** The errors of BigQuery: also a list of `errors` with its own reasons. */
export function refuseWithErrors({ status, message, reason = usualReasons[status], details }: Refusal): Answer {
  const { location, locationType, ...others } = details;
  const place = { ...(location !== undefined && { locationType: locationType ?? "parameter", location }) };
  const errors = [{ message, domain: "global", reason: reason ?? "unknown", ...place }];
  const error = { code: status, message, errors, status: statusNames[status] ?? "UNKNOWN", ...others };
  return { status, body: { error }, headers: headersFor(status) };
}

const usualReasons: Readonly<Record<number, string>> = {
  400: "invalid",
  401: "authError",
  403: "accessDenied",
  404: "notFound",
  409: "duplicate",
  429: "rateLimitExceeded",
  499: "stopped",
  500: "internalError",
  501: "notImplemented",
  503: "backendError",
  504: "backendError",
};

export function headersFor(status: number): Record<string, string> {
  if (status !== 401) return jsonHeaders;
  const challenge = 'Bearer realm="https://accounts.google.com/", error="invalid_token"';
  return { ...jsonHeaders, "www-authenticate": challenge };
}

/** A path that no Google service knows is answered by the front end, in HTML. */
export function unknown(_method: string, path: string): Answer {
  const shown = path.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const html = `<!DOCTYPE html>
<html lang=en>
  <meta charset=utf-8>
  <meta name=viewport content="initial-scale=1, minimum-scale=1, width=device-width">
  <title>Error 404 (Not Found)!!1</title>
  <p><b>404.</b> <ins>That’s an error.</ins>
  <p>The requested URL <code>${shown}</code> was not found on this server.  <ins>That’s all we know.</ins>
`;
  return {
    status: 404,
    text: html,
    headers: { "content-type": "text/html; charset=UTF-8", "referrer-policy": "no-referrer" },
  };
}

/** Refuses a request without a good access token. */
export function admit({ world, headers }: Pick<Exchange, "world" | "headers">): void {
  const token = /^Bearer (.+)$/i.exec(headers.authorization ?? "")?.[1];
  if (token === undefined) {
    if (world.tokens.areOptional && headers.authorization === undefined) return;
    throw new Refusal(
      401,
      "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
      "required",
      { location: "Authorization", locationType: "header" },
    );
  }
  if (world.tokens.isGood(token)) return;
  throw new Refusal(
    401,
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
    "authError",
    { location: "Authorization", locationType: "header" },
  );
}
