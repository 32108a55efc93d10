import { createHash } from "node:crypto";
import type { Answer, Exchange, Route, Service } from "../routes.ts";
import { record, text } from "../values.ts";
import { unknown } from "./refusals.ts";

/** Where access tokens come from: Google's token endpoint, the metadata server of a machine, and impersonation. */

const email = "runner@clouds-test.iam.gserviceaccount.com";
const scope = "https://www.googleapis.com/auth/cloud-platform";
const metadataHeaders = { "metadata-flavor": "Google", server: "Metadata Server for VM" };

function metadata(value: string | object, contentType = "application/text"): Answer {
  if (typeof value === "string") {
    return { status: 200, text: value, headers: { ...metadataHeaders, "content-type": contentType } };
  }
  const headers = { ...metadataHeaders, "content-type": "application/json" };
  return { status: 200, text: JSON.stringify(value), headers };
}

/** The metadata server wants to be asked as itself, so that no page of a browser can ask it. */
function askedRightly(exchange: Exchange, answer: () => Answer): Answer {
  if (exchange.headers["metadata-flavor"] === "Google") return answer();
  return {
    status: 403,
    text: "Missing required header: Metadata-Flavor",
    headers: { ...metadataHeaders, "content-type": "text/html; charset=UTF-8" },
  };
}

function metadataToken(exchange: Exchange): Answer {
  return askedRightly(exchange, () => {
    const { token, lifetimeS } = exchange.world.tokens.give();
    return metadata({ access_token: token, expires_in: lifetimeS, token_type: "Bearer" });
  });
}

function refused(status: number, error: string, description: string): Answer {
  const body = { error, error_description: description };
  return { status, body, headers: { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" } };
}

const jwtGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/** `POST /token`: a signed assertion of a service account, or a refresh token. Signatures are not checked: no key is known. */
function exchangeForToken(exchange: Exchange): Answer {
  const sent = (exchange.headers["content-type"] ?? "").includes("json")
    ? record(exchange.body)
    : Object.fromEntries(new URLSearchParams(exchange.text));
  const grant = text(sent.grant_type);
  if (grant !== jwtGrant && grant !== "refresh_token") {
    return refused(400, "unsupported_grant_type", `Invalid grant_type: ${grant ?? ""}`);
  }
  if (grant === "refresh_token" && text(sent.refresh_token) === undefined) {
    return refused(400, "invalid_request", "Missing required parameter: refresh_token");
  }
  if (grant === jwtGrant) {
    const wrong = whatIsWrong(text(sent.assertion) ?? "", exchange.world.clock.nowMs());
    if (wrong !== undefined) return refused(400, "invalid_grant", wrong);
  }
  const { token, lifetimeS } = exchange.world.tokens.give();
  const body = { access_token: token, scope, token_type: "Bearer", expires_in: lifetimeS };
  return {
    status: 200,
    body,
    headers: { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" },
  };
}

/** What Google finds fault with in an assertion, as far as it can be told without the key. */
function whatIsWrong(assertion: string, nowMs: number): string | undefined {
  const [head = "", claims = "", signature = ""] = assertion.split(".");
  if (signature === "") return "Bad JWT: three parts are wanted.";
  const decoded = (part: string): Record<string, unknown> => {
    try {
      return record(JSON.parse(Buffer.from(part, "base64url").toString("utf8")));
    } catch {
      return {};
    }
  };
  if (decoded(head).alg !== "RS256") return "Invalid JWT: Invalid alg; RS256 is wanted.";
  const { iss, aud, iat, exp, scope: asked, target_audience: audience } = decoded(claims);
  if (typeof iss !== "string" || typeof aud !== "string") return "Invalid JWT: iss and aud are wanted.";
  if (typeof iat !== "number" || typeof exp !== "number") return "Invalid JWT: iat and exp are wanted.";
  if (asked === undefined && audience === undefined) return "Invalid OAuth scope or ID token audience provided.";
  if (exp - iat > 3_600 || exp * 1000 < nowMs || iat * 1000 > nowMs + 300_000) {
    return "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.";
  }
  return undefined;
}

function impersonate(exchange: Exchange): Answer {
  const { token, lifetimeS } = exchange.world.tokens.give();
  const expireTime = new Date(exchange.world.clock.nowMs() + lifetimeS * 1000).toISOString().replace(".000Z", "Z");
  return { status: 200, body: { accessToken: token, expireTime } };
}

const account = "/computeMetadata/v1/instance/service-accounts";

const routes: readonly Route[] = [
  { method: "POST", path: "/token", operation: "token", handle: exchangeForToken },
  { method: "POST", path: "/oauth2/v4/token", operation: "token", handle: exchangeForToken },
  {
    method: "POST",
    path: "/v1/projects/-/serviceAccounts/{email}:generateAccessToken",
    operation: "generateAccessToken",
    handle: impersonate,
  },
  { method: "GET", path: `${account}/{account}/token`, operation: "metadata.token", handle: metadataToken },
  {
    // With `?recursive=true`, as Google's client for Python asks.
    method: "GET",
    path: `${account}/{account}`,
    operation: "metadata.account",
    handle: (exchange) => askedRightly(exchange, () => metadata({ aliases: ["default"], email, scopes: [scope] })),
  },
  {
    method: "GET",
    path: `${account}/{account}/email`,
    operation: "metadata.email",
    handle: (exchange) => askedRightly(exchange, () => metadata(email)),
  },
  {
    method: "GET",
    path: `${account}/{account}/identity`,
    operation: "metadata.identity",
    handle: (exchange) => askedRightly(exchange, () => metadata(idToken(exchange), "text/html")),
  },
  {
    method: "GET",
    path: `${account}`,
    operation: "metadata.accounts",
    handle: (exchange) => askedRightly(exchange, () => metadata(`default/\n${email}/\n`)),
  },
  {
    method: "GET",
    path: "/computeMetadata/v1/project/project-id",
    operation: "metadata.project",
    handle: (exchange) => askedRightly(exchange, () => metadata("clouds-test")),
  },
  {
    method: "GET",
    path: "/computeMetadata/v1/universe/universe-domain",
    operation: "metadata.universe",
    handle: (exchange) => askedRightly(exchange, () => metadata("googleapis.com")),
  },
  {
    method: "GET",
    path: "/computeMetadata/v1/instance",
    operation: "metadata.instance",
    handle: (exchange) =>
      askedRightly(exchange, () => metadata("attributes/\nhostname\nid\nservice-accounts/\nzone\n")),
  },
  // Clients ask here whether there is such a server at all.
  { method: "GET", path: "/", operation: "metadata.ping", handle: () => metadata("computeMetadata/\n") },
];

/** An identity token whose signature is no signature: enough for whom it is passed on to without being checked. */
function idToken({ world, query }: Exchange): string {
  const nowS = Math.floor(world.clock.nowMs() / 1000);
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const claims = {
    aud: query.get("audience"),
    iss: "https://accounts.google.com",
    email,
    iat: nowS,
    exp: nowS + 3_600,
  };
  const unsigned = `${encode({ alg: "RS256", typ: "JWT" })}.${encode(claims)}`;
  return `${unsigned}.${createHash("sha256").update(unsigned).digest("base64url")}`;
}

export const identity: Service = {
  name: "identity",
  routes,
  owns: (path) => path === "/token" || path.startsWith("/computeMetadata/") || path.startsWith("/oauth2/"),
  refuse: ({ status, message, reason }) => refused(status, reason ?? "internal_failure", message),
  unknown,
  admit: () => undefined,
};
