import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import { AppError } from "@holdfast/protocol";

// Who may speak to the server. On loopback anybody on this machine may, but no web page: a page can send requests to
// loopback from a visitor's browser, by a name of its own that it lets point here (so `Host` is checked) or across origins
// (so `Origin` is). Off loopback a token is needed.

/** True for addresses that only this machine reaches. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, "").toLowerCase();
  return bare === "localhost" || bare === "::1" || (isIP(bare) === 4 && bare.startsWith("127."));
}

export interface AccessOptions {
  /** The address that is listened on. */
  readonly host: string;
  /** What callers must send as `Authorization: Bearer …`; undefined: nothing. */
  readonly token: string | undefined;
  /** Names by which callers may reach it, besides loopback's and plain addresses. */
  readonly allowedHosts: readonly string[];
}

/** Throws `invalid_request` when the server would be open to the network. */
export function checkExposure({ host, token }: AccessOptions): void {
  if (token !== undefined && token.length < 16) {
    throw new AppError("invalid_request", "The token is shorter than 16 characters.", {
      hint: "Make one with: openssl rand -hex 32",
    });
  }
  if (isLoopback(host) || token !== undefined) return;
  throw new AppError("invalid_request", `Listening on ${host} needs a token, since other machines can reach it.`, {
    hint: "Set HOLDFAST_TOKEN (make one with: openssl rand -hex 32), or listen on 127.0.0.1.",
  });
}

interface Headers {
  readonly host?: string | undefined;
  readonly origin?: string | string[] | undefined;
  readonly authorization?: string | undefined;
}

/** Answers the check of a request's `Host` and `Origin`: it throws `forbidden_host`. */
export function hostCheck({ host, allowedHosts }: AccessOptions): (headers: Headers) => void {
  const names = new Set([host, ...allowedHosts].map((name) => name.toLowerCase()));
  const isAllowed = (authority: string): boolean => {
    const name = hostName(authority);
    if (name === undefined) return false;
    // A page needs a name to let it point here; an address cannot be made to.
    return isLoopback(name) || names.has(name) || (!isLoopback(host) && isIP(name.replace(/^\[|\]$/g, "")) !== 0);
  };
  return (headers) => {
    if (headers.host === undefined || !isAllowed(headers.host)) {
      throw new AppError("forbidden_host", `This server does not answer to the name "${headers.host ?? ""}".`, {
        hint: "Use its address, or start it with --allowed-host NAME.",
      });
    }
    if (headers.origin === undefined) return;
    const origin = String(headers.origin);
    if (origin === `http://${headers.host}` || origin === `https://${headers.host}`) return;
    throw new AppError("forbidden_host", `Pages of ${origin} may not use this server.`, {
      hint: "Requests from browsers must come from the server's own pages.",
    });
  };
}

/** Answers the check of a request's token: it throws `unauthorized`. The comparison takes equally long for every token. */
export function tokenCheck({ token }: AccessOptions): (headers: Headers) => void {
  if (token === undefined) return () => undefined;
  const wanted = digest(token);
  return ({ authorization = "" }) => {
    const given = /^Bearer +(.+)$/i.exec(authorization)?.[1]?.trim();
    if (given !== undefined && timingSafeEqual(digest(given), wanted)) return;
    const message = given === undefined ? "The request carries no token." : "The token is not the server's.";
    throw new AppError("unauthorized", message, {
      hint: "Send Authorization: Bearer TOKEN; the command line takes it from HOLDFAST_TOKEN or --token.",
    });
  };
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** The name in a Host header, without the port; undefined when it is no authority. */
function hostName(authority: string): string | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/i.exec(authority);
  return match?.[1]?.toLowerCase().replace(/\.$/, "");
}
