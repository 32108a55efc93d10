import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { Callbacks } from "./callbacks.ts";
import { type Call, Calls, unexpected } from "./calls.ts";
import { type Clock, WallClock } from "./clock.ts";
import { answerControl, controlPath } from "./control.ts";
import { type FaultRule, Faults } from "./faults.ts";
import { Refusal } from "./refusal.ts";
import { type Answer, type Exchange, type Found, Router, type Service } from "./routes.ts";
import { overlay } from "./script.ts";
import { World } from "./world.ts";

const maxBodyBytes = 32 * 1024 * 1024;

export interface CloudsOptions {
  /** 0, the default: any free port. */
  readonly port?: number;
  readonly host?: string;
  readonly clock?: Clock;
  /** A file that keeps jobs, scripts, tokens and calls for the next process. */
  readonly journal?: string;
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly services: (world: World) => readonly Service[];
}

/** What a request has met, from its arrival to its answer. */
interface Visit {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly call: Call;
  readonly rule: FaultRule | undefined;
  readonly gone: AbortSignal;
}

/** All the services on one port: their paths do not meet. */
export class CloudServer {
  readonly world: World;
  readonly calls: Calls;
  readonly faults = new Faults();
  readonly callbacks: Callbacks;
  readonly #router: Router;
  readonly #server: Server;
  readonly #tls: boolean;
  readonly #closing = new AbortController();

  constructor(options: CloudsOptions) {
    const clock = options.clock ?? new WallClock();
    this.world = new World({ clock, journal: options.journal });
    this.calls = new Calls({ clock, journal: this.world.journal });
    this.world.journal.rewrite([...this.world.entries(), ...this.calls.entries()]);
    const services = options.services(this.world);
    this.callbacks = new Callbacks({ world: this.world });
    this.#router = new Router(services);
    const serve = (request: IncomingMessage, response: ServerResponse) => {
      this.#serve(request, response).catch((error: unknown) => {
        console.error(`The fakes could not answer ${request.method} ${request.url}:`, error);
        if (!response.headersSent) response.writeHead(500).end();
        else response.destroy();
      });
    };
    this.#tls = options.tls !== undefined;
    this.#server = options.tls ? createTlsServer(options.tls, serve) : createServer(serve);
    // A hung call is the client's to end, never this server's.
    this.#server.requestTimeout = 0;
    this.#server.keepAliveTimeout = 60_000;
  }

  async listen(port = 0, host = "127.0.0.1"): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    this.#server.listen(port, host, resolve);
    await promise;
    const address = this.#server.address() as AddressInfo;
    return `${this.#tls ? "https" : "http"}://${host === "0.0.0.0" ? "127.0.0.1" : host}:${address.port}`;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
    await this.callbacks.close();
    this.world.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const client = new AbortController();
    response.once("close", () => client.abort());
    const gone = AbortSignal.any([client.signal, this.#closing.signal]);
    const text = await readText(request);
    if (text === undefined) {
      response.writeHead(413, { connection: "close" }).end();
      return;
    }
    const { method = "GET", url: address = "/" } = request;
    const url = new URL(address, "http://clouds.invalid");
    if (url.pathname.startsWith(controlPath)) {
      send(response, await answerControl(this, { method, url, text, gone }));
      return;
    }
    const found = this.#router.find(method, url.pathname);
    const service = found?.service ?? this.#router.owner(url.pathname);
    const seen = { service: service?.name ?? "http", operation: found?.route.operation ?? unexpected } as const;
    const call = this.calls.begin({ ...seen, method, path: address, body: text });
    const rule = this.faults.take({ ...seen, text: `${address}\n${text}` });
    if (rule !== undefined) call.fault = rule.id;
    const visit = { request, response, call, rule, gone };
    if (await this.#before(visit, service)) return;
    const answer =
      found === undefined
        ? (service?.unknown(method, url.pathname) ?? { status: 404, text: "404 page not found\n" })
        : await this.#handle(found, { url, text, visit });
    await this.#after(visit, answer);
  }

  /** What a fault does before the service has seen the request; `true` when that was all. */
  async #before(visit: Visit, service: Service | undefined): Promise<boolean> {
    const { rule, gone, call } = visit;
    if (rule?.delayMs !== undefined) await this.#delay(rule.delayMs, gone);
    if (gone.aborted) {
      this.calls.end(call, "gone");
      return true;
    }
    const fault = rule?.fault;
    if (rule === undefined || fault === undefined) return false;
    if (fault.kind === "hold" && fault.when === "before") {
      await this.faults.held(rule, gone);
      if (!gone.aborted) return false;
      this.calls.end(call, "gone");
      return true;
    }
    if (fault.kind === "reset") {
      this.calls.end(call, "reset");
      visit.request.socket.resetAndDestroy();
      return true;
    }
    if (fault.kind === "hang") return true;
    if (fault.kind === "status") {
      const { status, reason, message = `Scripted fault ${status}.`, retryAfter } = fault;
      const refused = service?.refuse(new Refusal(status, message, reason)) ?? { status };
      const headers = { ...refused.headers, ...(retryAfter !== undefined && { "retry-after": String(retryAfter) }) };
      this.#answer(visit, { ...refused, headers });
      return true;
    }
    if (fault.kind !== "page") return false;
    const { status, html = `<html><head><title>${status}</title></head><body><h1>${status}</h1></body></html>` } =
      fault;
    this.#answer(visit, { status, text: html, headers: { "content-type": "text/html; charset=UTF-8" } });
    return true;
  }

  async #handle({ service, route, params }: Found, from: { url: URL; text: string; visit: Visit }): Promise<Answer> {
    const { call, request, gone } = from.visit;
    const exchange: Exchange = {
      world: this.world,
      path: from.url.pathname,
      params,
      query: from.url.searchParams,
      headers: request.headers,
      body: parse(from.text),
      text: from.text,
      gone,
      about: (job, made) => Object.assign(call, { job, ...(made && { made }) }),
    };
    try {
      service.admit(exchange);
      return await route.handle(exchange);
    } catch (error) {
      if (error instanceof Refusal) return service.refuse(error);
      throw error;
    }
  }

  /** Sends the answer, or does to it what the fault says. */
  async #after(visit: Visit, answer: Answer): Promise<void> {
    const { rule, call, response, gone } = visit;
    const fault = rule?.fault;
    if (rule !== undefined && fault?.kind === "hold" && fault.when === "after") await this.faults.held(rule, gone);
    if (fault?.kind === "lost") {
      this.calls.end(call, "lost");
      if (fault.how !== "hang") visit.request.socket.resetAndDestroy();
      return;
    }
    if (gone.aborted) {
      this.calls.end(call, "gone");
      return;
    }
    if (answer.stream !== undefined && (fault?.kind === "truncated" || fault?.kind === "malformed")) {
      this.calls.end(call, fault.kind === "truncated" ? "truncated" : answer.status);
      this.#spoil(visit, answer, fault.kind);
      return;
    }
    if (fault?.kind === "truncated") {
      this.calls.end(call, "truncated");
      const whole = textOf(answer);
      response.writeHead(answer.status, { ...headersOf(answer), "content-length": Buffer.byteLength(whole) + 1 });
      response.write(whole.slice(0, whole.length / 2), () => visit.request.socket.destroy());
      return;
    }
    if (fault?.kind === "malformed") {
      this.#answer(visit, {
        status: answer.status,
        headers: headersOf(answer),
        text: `${textOf(answer).slice(0, -2)},,`,
      });
    } else if (fault?.kind === "patch") {
      this.#answer(visit, { ...answer, body: overlay(answer.body, fault.patch) });
    } else {
      this.#answer(visit, answer);
    }
  }

  /** A stream that begins with half an event, and ends there, or goes on after it. */
  #spoil({ request, response }: Visit, { status, headers, stream }: Answer, how: "truncated" | "malformed"): void {
    response.writeHead(status, { ...headers });
    const half = '{"type":"MODIFIED","object":{"kind":"Jo';
    if (how === "truncated") {
      response.write(half, () => request.socket.destroy());
    } else {
      response.write(`${half}\n`);
      stream?.(response);
    }
  }

  #answer({ call, response }: Visit, answer: Answer): void {
    this.calls.end(call, answer.status);
    send(response, answer);
  }

  async #delay(ms: number, gone: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const callOff = this.world.clock.at(this.world.clock.nowMs() + ms, resolve);
    gone.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    callOff();
  }
}

function send(response: ServerResponse, answer: Answer): void {
  if (response.destroyed) return;
  if (answer.stream) {
    response.writeHead(answer.status, { ...answer.headers });
    // A watch that has nothing to say yet has begun all the same.
    response.flushHeaders();
    answer.stream(response);
    return;
  }
  const text = textOf(answer);
  if (text === "") response.writeHead(answer.status, { ...answer.headers }).end();
  else response.writeHead(answer.status, { ...headersOf(answer), "content-length": Buffer.byteLength(text) }).end(text);
}

function textOf({ body, text }: Answer): string {
  return text ?? (body === undefined ? "" : `${JSON.stringify(body, null, 2)}\n`);
}

function headersOf(answer: Answer): Record<string, string> {
  const usual = answer.text === undefined ? "application/json; charset=UTF-8" : "text/plain; charset=utf-8";
  return { "content-type": usual, ...answer.headers };
}

/** The body, or undefined when it is too long. */
async function readText(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parse(text: string): unknown {
  if (text.trim() === "") return {};
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
