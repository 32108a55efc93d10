// Faults to catch: headers that are too large, or a request that is too slow, told as if they were no HTTP; an answer that no
// client can read, since its length is wrong.
import assert from "node:assert/strict";
import { createServer, request, type Server, type ServerOptions } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { after, before, test } from "node:test";
import { refuseConnection } from "./no-request.ts";

function serverOf(options: ServerOptions): Server {
  return createServer(options, (_, answer) => void answer.end()).on("clientError", refuseConnection);
}

const server = serverOf({});
const impatient = serverOf({ headersTimeout: 50, requestTimeout: 50, connectionsCheckingInterval: 10 });

before(async () => {
  for (const each of [server, impatient]) {
    await new Promise<void>((resolve) => each.listen(0, "127.0.0.1", resolve));
  }
});
after(() => [server, impatient].map((each) => each.close()));

const portOf = (of: Server) => (of.address() as AddressInfo).port;

/** What a client of HTTP makes of the answer. */
function ask(options: { path?: string; headers?: Record<string, string> }): Promise<{ status: number; json: unknown }> {
  return new Promise((resolve, reject) => {
    const asking = request({ host: "127.0.0.1", port: portOf(server), ...options }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, json: JSON.parse(text) }));
    });
    asking.on("error", reject).end();
  });
}

/** Everything that is answered to these bytes, until the connection is ended. */
function say(to: Server, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(portOf(to), "127.0.0.1", () => socket.write(bytes));
    let said = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    socket.on("error", reject).on("close", () => resolve(said));
  });
}

const large = "x".repeat(20_000);

for (const [what, options] of [
  ["a header", { headers: { "idempotency-key": large } }],
  ["a URL", { path: `/v1/runs?definition=${large}` }],
] as const) {
  test(`${what} that is too large is told so, with its limit and the way out`, async () => {
    const { status, json } = await ask(options);
    const { error } = json as { error: { code: string; message: string; hint: string; request_id: string } };
    assert.deepEqual([status, error.code], [431, "too_large"]);
    assert.match(error.message, /more than 16384 bytes/);
    assert.ok(error.hint !== "" && error.request_id !== "");
  });
}

test("a request that does not arrive whole is told that its time is over", async () => {
  const said = await say(impatient, "GET /v1/server HTTP/1.1\r\nHost: local");
  assert.match(said, /^HTTP\/1\.1 408 .*"invalid_request".*did not arrive/s);
});

test("what is no HTTP is told so", async () => {
  assert.match(
    await say(server, "what is this\r\n\r\n"),
    /^HTTP\/1\.1 400 .*"invalid_request".*not a request in HTTP/s,
  );
});
