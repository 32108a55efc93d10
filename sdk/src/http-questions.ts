import { AppError, type ErrorCode, errorBodySchema, errorCodes, isAppError } from "@holdfast/protocol";
import { causeOf, expectAnswer, isTimeout, sleep, unansweredHint } from "./answer-wait.ts";

export interface HttpOptions {
  /** Base address: `http://127.0.0.1:4400`. */
  readonly server: string;
  readonly token?: string;
  /** How long a call is repeated while the server cannot be reached; default 30 s. */
  readonly patienceMs?: number;
  /** Told, once a call, when a server that has been reached says nothing for some seconds longer than it was asked to wait. */
  readonly onSilence?: (text: string) => void;
  /** How long a server may say nothing, beyond what it was asked to wait; default 30 s. */
  readonly answerMs?: number;
}

/** A call of the control plane, and what reads its answer. */
export interface Question<T> {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | readonly string[] | undefined>>;
  readonly body?: unknown;
  readonly requestKey?: string;
  /** How long the server may hold the answer back. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal | undefined;
  readonly answer: { parse(value: unknown): T };
}

const answerTimeoutMs = 30_000;
const firstDelayMs = 100;
const longestDelayMs = 2_000;
/** What a proxy says while the server behind it is away. */
const awayStatuses: ReadonlySet<number> = new Set([502, 503, 504]);

/** Asks a server over HTTP, each question again while the connection fails or the store is away, up to `patienceMs`. */
export class HttpQuestions {
  readonly #base: URL;
  readonly #token: string | undefined;
  readonly #patienceMs: number;
  readonly #answerMs: number;
  readonly #onSilence: (text: string) => void;

  constructor(options: HttpOptions) {
    const { server, token, patienceMs = answerTimeoutMs, answerMs = answerTimeoutMs } = options;
    this.#answerMs = answerMs;
    this.#onSilence = options.onSilence ?? (() => undefined);
    this.#base = baseUrl(server);
    this.#token = token;
    this.#patienceMs = patienceMs;
  }

  /** Throws what the server says; `store_unavailable` when patience is at its end. */
  async ask<T>(question: Question<T>): Promise<T> {
    let deadline: number | undefined;
    for (let delayMs = firstDelayMs; ; delayMs = Math.min(delayMs * 2, longestDelayMs)) {
      try {
        return await this.#askOnce(question);
      } catch (error) {
        if (!isAppError(error, "store_unavailable") || question.signal?.aborted === true) throw error;
        // From the first failure on: a call may have waited long for news before.
        // Who has been silent for long has been waited for already.
        deadline ??= performance.now() + (isTimeout(error.cause) ? 0 : this.#patienceMs);
        if (performance.now() + delayMs > deadline) throw error;
        await sleep(delayMs, question.signal);
      }
    }
  }

  async #askOnce<T>({
    method,
    path,
    query = {},
    body,
    requestKey,
    waitMs = 0,
    signal,
    answer,
  }: Question<T>): Promise<T> {
    const url = new URL(this.#base);
    url.pathname = `${url.pathname.replace(/\/$/, "")}${path}`;
    for (const [name, value] of Object.entries(query)) {
      for (const item of [value ?? []].flat()) url.searchParams.append(name, String(item));
    }
    const timeout = AbortSignal.timeout(waitMs + this.#answerMs);
    const silence = expectAnswer({
      origin: this.#base.origin,
      waitMs,
      answerMs: this.#answerMs,
      onSilence: this.#onSilence,
    });
    const { status, text } = await this.#fetch(url, {
      method,
      headers: {
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
        ...(requestKey === undefined ? {} : { "idempotency-key": requestKey }),
      },
      redirect: "error",
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).finally(() => clearTimeout(silence));
    const value = parseJson(text);
    if (status >= 200 && status < 300 && value !== undefined) return this.#parse(answer, value);
    throw this.#refusal(status, value);
  }

  async #fetch(url: URL, init: RequestInit): Promise<{ status: number; text: string }> {
    try {
      const response = await fetch(url, init);
      return { status: response.status, text: await response.text() };
    } catch (error) {
      throw new AppError("store_unavailable", `${this.#base.origin} does not answer: ${causeOf(error)}.`, {
        hint: unansweredHint(error),
        cause: error,
      });
    }
  }

  #parse<T>(answer: { parse(value: unknown): T }, value: unknown): T {
    try {
      return answer.parse(value);
    } catch (error) {
      throw new AppError("internal", `${this.#base.origin} answered something that this version does not understand.`, {
        hint: "Is it a Holdfast server, and of about this version?",
        cause: error,
      });
    }
  }

  #refusal(status: number, value: unknown): AppError {
    const parsed = errorBodySchema.safeParse(value);
    if (!parsed.success && awayStatuses.has(status)) {
      throw new AppError(
        "store_unavailable",
        `${this.#base.origin} passes on that nobody answers (status ${status}).`,
        {
          hint: "What stands before the server answers, the server does not: is it running?",
        },
      );
    }
    if (!parsed.success) {
      return new AppError("internal", `${this.#base.origin} answered with status ${status} and no word of Holdfast.`, {
        hint: "Is it a Holdfast server, or is something in between?",
      });
    }
    const { code, message, hint, details } = parsed.data.error;
    return new AppError(Object.hasOwn(errorCodes, code) ? (code as ErrorCode) : "internal", message, {
      ...(hint === undefined ? {} : { hint }),
      ...(details === undefined ? {} : { details }),
    });
  }
}

function baseUrl(server: string): URL {
  const url = URL.parse(server);
  if (url !== null && (url.protocol === "http:" || url.protocol === "https:")) return url;
  throw new AppError("invalid_request", `"${server}" is not the address of a server.`, {
    hint: "Write it as http://127.0.0.1:4400.",
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
