import { TrackingError } from "@holdfast/protocol";
import { type Agent, errors, request as send } from "undici";
import { type CallEnd, mayHaveHappened } from "../core/index.ts";
import type { Dialer, Dialling, Lane, TlsSettings } from "./dialer.ts";
import { permanent, shortText, transient } from "./failures.ts";
import type { Moment } from "./moment.ts";
import { refuseAfter } from "./too-late.ts";

/** A call to a service. */
export interface OutboundRequest {
  readonly method?: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** True when the call may change something, so that it matters whether it arrived; default: every method but GET and HEAD. */
  readonly changes?: boolean;
  /** True when somebody wrote the URL who may not reach every address; see AddressGuard. Redirects are followed, each checked. */
  readonly guarded?: boolean;
  /** Headers that only this origin is sent, whatever it redirects to. */
  readonly secrets?: { readonly origin: string; readonly headers: Readonly<Record<string, string>> };
  readonly tls?: TlsSettings | undefined;
  readonly lane?: Lane;
  readonly timeoutMs?: number;
  /** Whether an answer says that nothing was done; default: by its status (core/verdicts.ts). */
  readonly refuses?: (answer: Pick<Answer, "status" | "text">) => boolean;
}

/** What came back, whatever its status. */
export interface Answer {
  readonly status: number;
  /** The call may have changed something, whatever is read out of its answer. */
  readonly undecided: boolean;
  /** Names in lower case; of several with one name the first. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

export interface OutboundOptions {
  readonly dialer: Dialer;
  /** Aborts all calls. */
  readonly signal: AbortSignal;
  /** How long one call may take, from the connection to the end of its answer. */
  readonly timeoutMs: number;
  readonly maxBytes?: number;
  /** After this, calls of the lane `fresh` are not sent any more. */
  readonly notAfter?: Moment | undefined;
}

const mostRedirects = 5;
const defaultMaxBytes = 8 * 1024 * 1024;
const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
type Response = Awaited<ReturnType<typeof send>>;

/** Calls services. Rejects with TrackingError alone; a status is an answer, never an error here. */
export class Outbound {
  readonly #options: OutboundOptions;
  #mayHaveChanged = false;

  constructor(options: OutboundOptions) {
    this.#options = options;
  }

  /** Whether any call of its may have changed something. */
  get mayHaveChanged(): boolean {
    return this.#mayHaveChanged;
  }

  /** Sends a call and reads its whole answer. */
  async send(request: OutboundRequest): Promise<Answer> {
    let next: OutboundRequest = request;
    let first: number | undefined;
    const timer = new Timer(request.timeoutMs ?? this.#options.timeoutMs, this.#options.signal);
    try {
      for (let hops = 0; ; hops++) {
        const response = await this.#open(next, timer.signal);
        first ??= response.statusCode;
        const place = redirects.has(response.statusCode) ? headerOf(response, "location") : undefined;
        if (place === undefined || request.guarded !== true) {
          const answer = await this.#read(response);
          return { ...answer, undecided: this.#isUndecided(request, first, answer) };
        }
        response.body.on("error", () => undefined).destroy();
        if (hops === mostRedirects)
          throw permanent("redirects", `${shown(request.url)} redirects more than ${mostRedirects} times.`);
        next = redirected(next, response.statusCode, place);
      }
    } catch (error) {
      const undecided = this.#isUndecided(request, first ?? endOf(error, timer));
      throw networkFailure(error, request, timer, undecided);
    } finally {
      timer.stop();
    }
  }

  /** Sends a call and gives its answer in lines as they come. Ends when the server ends it; `silenceMs` without a byte is an error. */
  async *lines(
    request: OutboundRequest & { readonly silenceMs: number; readonly opened?: () => void },
  ): AsyncGenerator<string, void, undefined> {
    const timer = new Timer(request.timeoutMs ?? this.#options.timeoutMs, this.#options.signal);
    try {
      const response = await this.#open({ lane: "wait", ...request }, timer.signal);
      if (response.statusCode !== 200) {
        const { status, text } = await this.#read(response);
        throw new StreamRefused(status, text);
      }
      request.opened?.();
      yield* linesOf(response, this.#maxBytes, () => timer.restart(request.silenceMs));
    } catch (error) {
      if (error instanceof StreamRefused) throw error;
      throw networkFailure(error, request, timer, false);
    } finally {
      timer.stop();
    }
  }

  #isUndecided(request: OutboundRequest, end: CallEnd, answer?: Pick<Answer, "status" | "text">): boolean {
    const { method = "GET", changes = method !== "GET" && method !== "HEAD", refuses } = request;
    const isRefused = answer?.status === end && refuses?.(answer) === true;
    const isUndecided = changes && !isRefused && mayHaveHappened(end);
    this.#mayHaveChanged ||= isUndecided;
    return isUndecided;
  }

  get #maxBytes(): number {
    return this.#options.maxBytes ?? defaultMaxBytes;
  }

  async #open(request: OutboundRequest, signal: AbortSignal): Promise<Response> {
    const url = parseUrl(request.url);
    const secrets = request.secrets?.origin === url.origin ? request.secrets.headers : {};
    const dispatcher = this.#agent({
      lane: request.lane ?? "call",
      guarded: request.guarded === true,
      tls: request.tls,
    });
    return await send(url, {
      dispatcher,
      method: (request.method ?? "GET") as "GET",
      headers: { "user-agent": "holdfast", ...request.headers, ...secrets },
      ...(request.body !== undefined && { body: request.body }),
      signal,
    });
  }

  #agent(dialling: Dialling): Agent {
    const { dialer, notAfter } = this.#options;
    if (dialling.lane !== "fresh" || notAfter === undefined) return dialer.agent(dialling);
    const agent = dialer.agentOnce(dialling, () => refuseAfter(notAfter));
    // It closes when its call is done.
    queueMicrotask(() => void agent.close().catch(() => undefined));
    return agent;
  }

  /** Of an answer that is no good one, what is too much is left out: its status says enough. */
  async #read(response: Response): Promise<Omit<Answer, "undecided">> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response.body) {
      bytes += (chunk as Buffer).length;
      if (bytes > this.#maxBytes && response.statusCode >= 400) break;
      if (bytes > this.#maxBytes) throw permanent("answer_too_large", `The answer is over ${this.#maxBytes} bytes.`);
      chunks.push(chunk as Buffer);
    }
    const headers = Object.keys(response.headers).map((name) => [name, headerOf(response, name) ?? ""] as const);
    return {
      status: response.statusCode,
      headers: Object.fromEntries(headers),
      text: Buffer.concat(chunks).toString("utf8"),
    };
  }
}

/** A stream's answer was no stream. */
export class StreamRefused extends Error {
  readonly status: number;
  readonly text: string;

  constructor(status: number, text: string) {
    super(`A stream was answered ${status}.`);
    this.status = status;
    this.text = text;
  }
}

/** Aborts after a time, or with somebody else's signal; unlike AbortSignal.any it leaves nothing behind on that. */
class Timer {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal;
  readonly #onOuter = () => this.#controller.abort();
  #timeout: NodeJS.Timeout;
  ran = false;

  constructor(ms: number, outer: AbortSignal) {
    this.#outer = outer;
    this.#timeout = this.#set(ms);
    outer.addEventListener("abort", this.#onOuter);
    if (outer.aborted) this.#controller.abort();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  restart(ms: number): void {
    clearTimeout(this.#timeout);
    this.#timeout = this.#set(ms);
  }

  stop(): void {
    clearTimeout(this.#timeout);
    this.#outer.removeEventListener("abort", this.#onOuter);
  }

  #set(ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.ran = true;
      this.#controller.abort();
    }, ms);
  }
}

async function* linesOf(
  response: Response,
  maxBytes: number,
  heard: () => void,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder("utf-8");
  let rest = "";
  heard();
  for await (const chunk of response.body) {
    heard();
    rest += decoder.decode(chunk as Buffer, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > maxBytes) throw transient("answer_too_large", `A line of the answer is over ${maxBytes} bytes.`);
    for (const line of lines) if (line !== "") yield line;
  }
}

function parseUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw permanent(
      "invalid_url",
      `${shortText(text, 200)} is no URL that can be called.`,
      "Write http://… or https://….",
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw permanent("invalid_url", `The URL for ${url.host} has credentials in it.`, "Send them in a header instead.");
  }
  return url;
}

/** A URL as messages show it: what is behind the path may be secret. */
function shown(text: string): string {
  const url = URL.parse(text);
  return url === null ? shortText(text, 200) : shortText(`${url.origin}${url.pathname}`, 500);
}

function headerOf(response: Response, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** The next hop, as the Fetch standard has it, but never from https to http. */
function redirected(request: OutboundRequest, status: number, place: string): OutboundRequest {
  const from = parseUrl(request.url);
  const to = URL.parse(place, from.href);
  if (to === null) throw permanent("invalid_url", `${shown(request.url)} redirects to what is no URL.`);
  if (from.protocol === "https:" && to.protocol !== "https:") {
    throw permanent(
      "redirects",
      `${shown(request.url)} redirects from https to ${to.origin}, where everybody could read along.`,
    );
  }
  const asGet = status === 303 || (request.method === "POST" && (status === 301 || status === 302));
  const { body, ...others } = request;
  const kept = Object.entries(request.headers ?? {}).filter(([name]) => {
    if (asGet && /^content-/i.test(name)) return false;
    return from.origin === to.origin || !/^(authorization|cookie|proxy-authorization)$/i.test(name);
  });
  return {
    ...others,
    url: to.href,
    headers: Object.fromEntries(kept),
    ...(asGet ? { method: "GET" } : body !== undefined && { body }),
  };
}

/** Failures of making a connection: nothing was sent on it. */
const unsentTls = /^(UND_ERR_CONNECT_TIMEOUT|ERR_TLS_\w+|CERT_\w+|DEPTH_ZERO_\w+|SELF_SIGNED_\w+|UNABLE_TO_\w+)$/;
const connecting: ReadonlySet<string> = new Set(["connect", "getaddrinfo"]);

/** How a call ended to which no answer came. What was thrown here was thrown before anything was sent. */
function endOf(error: unknown, timer: Timer): CallEnd {
  if (error instanceof TrackingError || error instanceof errors.InvalidArgumentError) return "unsent";
  if (timer.signal.aborted) return "unanswered";
  // An open connection may break by a route that is gone, too: only what its making failed by counts.
  return unsentTls.test(codeOf(error)) || connecting.has(syscallOf(error)) ? "unsent" : "unanswered";
}

function networkFailure(error: unknown, request: OutboundRequest, timer: Timer, isUndecided: boolean): TrackingError {
  const undecided = isUndecided ? { undecided: true } : {};
  if (error instanceof TrackingError) return new TrackingError({ ...error.failure, ...undecided }, { cause: error });
  const call = `${request.method ?? "GET"} ${shown(request.url)}`;
  if (timer.ran) return transient("timeout", `${call} was not answered in time.`, undecided);
  if (timer.signal.aborted) return transient("aborted", `${call} was given up.`, undecided);
  const code = codeOf(error);
  const why = error instanceof Error ? error.message || code : String(error);
  if (error instanceof errors.InvalidArgumentError) return permanent("invalid_request", `${call}: ${why}.`);
  return transient(shortText(code, 200), `${call} failed: ${why}.`, undecided);
}

function codeOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  return error instanceof Error && "code" in error ? String(error.code) : "network";
}

function syscallOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return syscallOf(error.errors[0]);
  return error instanceof Error && "syscall" in error ? String(error.syscall) : "";
}
