/** A collector of spans: takes OTLP over HTTP as JSON and remembers what was sent. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { gunzipSync } from "node:zlib";

type Value = { readonly stringValue?: string; readonly intValue?: number | string; readonly doubleValue?: number };
interface Attribute {
  readonly key: string;
  readonly value: Value;
}

/** A span as OTLP says it in JSON. */
interface WireSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly status: { readonly code?: number; readonly message?: string };
  readonly events: readonly { readonly name: string; readonly attributes: readonly Attribute[] }[];
}

interface Body {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly scope: { readonly name: string }; readonly spans: readonly WireSpan[] }[];
  }[];
}

export interface ReceivedSpan extends Omit<WireSpan, "attributes" | "events"> {
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly resource: Readonly<Record<string, string | number>>;
  readonly events: readonly { readonly name: string; readonly attributes: Readonly<Record<string, string | number>> }[];
}

export interface Posted {
  readonly path: string;
  readonly contentType: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Buffer;
}

export class Receiver {
  readonly spans: ReceivedSpan[] = [];
  readonly posted: Posted[] = [];
  readonly #server: Server;
  #changed = Promise.withResolvers<void>();

  constructor(server: Server) {
    this.#server = server;
  }

  /** Base address, for OTEL_EXPORTER_OTLP_ENDPOINT. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  take(posted: Posted): void {
    this.posted.push(posted);
    if (posted.contentType === "application/json")
      this.spans.push(...spansOf(JSON.parse(posted.bytes.toString("utf8"))));
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** The spans, once they fulfil the condition. */
  async until(isEnough: (spans: readonly ReceivedSpan[]) => boolean): Promise<readonly ReceivedSpan[]> {
    while (!isEnough(this.spans)) await this.#changed.promise;
    return this.spans;
  }

  async untilPosted(): Promise<Posted> {
    for (;;) {
      const [first] = this.posted;
      if (first !== undefined) return first;
      await this.#changed.promise;
    }
  }
}

/** Listens until the test is over. */
export async function receive(t: TestContext): Promise<Receiver> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const raw = Buffer.concat(chunks);
      const bytes = request.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw;
      const contentType = request.headers["content-type"] ?? "";
      receiver.take({ path: request.url ?? "", contentType, headers: request.headers, bytes });
      response.setHeader("content-type", contentType).end(contentType === "application/json" ? "{}" : "");
    });
  });
  const receiver = new Receiver(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return receiver;
}

function spansOf({ resourceSpans }: Body): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        ...span,
        attributes: plain(span.attributes),
        resource: plain(resource.attributes),
        events: (span.events ?? []).map((event) => ({ name: event.name, attributes: plain(event.attributes) })),
      })),
    ),
  );
}

function plain(attributes: readonly Attribute[]): Readonly<Record<string, string | number>> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue ?? value.doubleValue)]),
  );
}
