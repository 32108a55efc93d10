import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { JobAddress, Json } from "@holdfast/protocol";
import { AddressGuard } from "./addresses.ts";
import { carryOut } from "./calls.ts";
import { Connections, type ConnectionsOptions } from "./connections.ts";
import { Dialer } from "./dialer.ts";
import { Outbound } from "./outbound.ts";
import { services } from "./services.ts";
import type { TrackerIo } from "./tracker.ts";
import type { TrackingMethod, TrackingParams, TrackingResult } from "./wire.ts";

/** A call as a local server got it. */
export interface HeardCall {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Json;
}

export interface GivenAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON, or a text as it is. */
  readonly body?: unknown;
  readonly text?: string;
}

/** What a call is answered; `hang`: nothing, ever; `cut`: the connection is cut. */
export type Script = (
  call: HeardCall,
  response: ServerResponse,
) => GivenAnswer | "hang" | "cut" | "mine" | Promise<GivenAnswer>;

/** A local server that answers by script and remembers what it was asked. */
export class LocalService {
  readonly calls: HeardCall[] = [];
  script: Script;
  readonly #server = createServer((request, response) => void this.#take(request, response));
  #heard: () => void = () => undefined;

  private constructor(script: Script) {
    this.script = script;
  }

  static async start(script: Script, host = "127.0.0.1"): Promise<LocalService> {
    const service = new LocalService(script);
    await new Promise<void>((resolve) => service.#server.listen(0, host, resolve));
    return service;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Resolves once so many calls have come. */
  async heard(count: number): Promise<void> {
    while (this.calls.length < count) {
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url ?? "/", "http://local");
    const text = Buffer.concat(chunks).toString("utf8");
    const call: HeardCall = {
      method: request.method ?? "",
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers as Record<string, string>,
      body: parse(text),
    };
    this.calls.push(call);
    this.#heard();
    const answer = await this.script(call, response);
    if (answer === "cut") request.socket.destroy();
    if (typeof answer === "string") return;
    response.writeHead(answer.status ?? 200, { "content-type": "application/json", ...answer.headers });
    response.end(answer.text ?? (answer.body === undefined ? "" : JSON.stringify(answer.body)));
  }
}

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/** Connections to the known services, in this process. */
export function openConnections(
  settings: Readonly<Record<string, Json>>,
  more: Partial<ConnectionsOptions> = {},
): Connections {
  return new Connections({
    settings,
    trackers: services,
    broken: () => [],
    mock: false,
    callMs: 10_000,
    now: () => 1_000,
    ...more,
  });
}

/** Asks as a tracker process would be asked. */
export async function ask<M extends TrackingMethod>(
  connections: Connections,
  method: M,
  params: TrackingParams<M> & (JobAddress | object),
  signal: AbortSignal = new AbortController().signal,
): Promise<TrackingResult<M>> {
  return (await carryOut(connections, method, params, signal)) as TrackingResult<M>;
}

/** What a tracker is given when it is called by itself, with whatever proves who one is. */
export function ioOf<Settings, Access>(settings: Settings, access: Access): TrackerIo<Settings, Access> {
  const dialer = new Dialer(new AddressGuard({}));
  const { signal } = new AbortController();
  return {
    settings,
    access,
    outbound: new Outbound({ dialer, signal, timeoutMs: 10_000 }),
    signal,
    mock: false,
    now: () => 1_000,
  };
}
