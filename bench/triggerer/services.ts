/** The services of bench/triggerer.ts in a process of their own: one that answers, one that hangs, one that says 429, one that is slow. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const slowMs = 5_000;
const retryAfterSeconds = 30;

type Handle = (request: IncomingMessage, response: ServerResponse) => void;

const counts: Record<string, number> = { well: 0, hung: 0, refusing: 0, slow: 0 };
const done = new Set<string>();
const callbacks = new Map<string, string>();

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, string>> {
  let text = "";
  for await (const part of request.setEncoding("utf8")) text += part;
  return JSON.parse(text) as Record<string, string>;
}

const well: Handle = (request, response) => {
  const name = (request.url ?? "").slice("/jobs/".length);
  if (request.method === "GET") answer(response, 200, { status: done.has(name) ? "completed" : "running" });
  else {
    void bodyOf(request).then(({ id = "", callback }) => {
      if (callback !== undefined) callbacks.set(id, callback);
      answer(response, 201, { id });
    });
  }
};

async function serve(name: string, handle: Handle): Promise<string> {
  const server = createServer((request, response) => {
    counts[name] = (counts[name] ?? 0) + 1;
    handle(request, response);
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Ends a job: by its one-time address where it has one. Answers when that was, on the machine's monotonic clock. */
async function end(name: string): Promise<string> {
  const callback = callbacks.get(name);
  done.add(name);
  const at = process.hrtime.bigint().toString();
  if (callback === undefined) return at;
  const response = await fetch(callback, {
    method: "POST",
    body: "{}",
    headers: { "content-type": "application/json" },
  });
  if (!response.ok) throw new Error(`The one-time address answered ${response.status}: ${await response.text()}`);
  return at;
}

const urls = {
  well: await serve("well", well),
  hung: await serve("hung", () => undefined),
  refusing: await serve("refusing", (_, response) => {
    response.setHeader("retry-after", retryAfterSeconds);
    answer(response, 429, { error: "Later." });
  }),
  slow: await serve(
    "slow",
    (_, response) => void setTimeout(() => answer(response, 200, { status: "running" }), slowMs),
  ),
};
process.on("message", (message) => {
  const { ask, name = "" } = message as { ask: "counts" | "known" | "end"; name?: string };
  if (ask === "counts") process.send?.({ answer: { ...counts } });
  else if (ask === "known") process.send?.({ answer: done.has(name) || callbacks.has(name) });
  else
    void end(name).then(
      (at) => process.send?.({ answer: at }),
      (error: unknown) => process.send?.({ error: String(error) }),
    );
});
process.on("disconnect", () => process.exit(0));
process.send?.({ answer: urls });
