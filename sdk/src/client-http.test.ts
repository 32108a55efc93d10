import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { isAppError } from "@holdfast/protocol";
import { HttpPlane } from "./client-http.ts";

test("a call that has waited longer than its patience is repeated nevertheless when it fails", async (t) => {
  const patienceMs = 1_000;
  const away = { code: "store_unavailable", message: "It is away.", request_id: "r" };
  let calls = 0;
  const server = createServer((_request, response) => {
    calls++;
    const answer = (status: number, body: object): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    if (calls > 1) answer(200, { events: [], last: 7 });
    else setTimeout(answer, patienceMs + 1, 503, { error: away });
  });
  t.after(() => server.close());
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const plane = new HttpPlane({ server: `http://127.0.0.1:${port}`, patienceMs });
  assert.equal((await plane.listTopic({ after: 7, waitMs: 5_000 })).last, 7);
  assert.equal(calls, 2);
});

test("a server that takes calls and says nothing is told of while it is waited for, and given up in time", async (t) => {
  const told: string[] = [];
  let calls = 0;
  const server = createServer(() => {
    calls++;
  });
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const origin = `http://127.0.0.1:${port}`;
  const onSilence = (text: string) => told.push(text);
  const plane = new HttpPlane({ server: origin, answerMs: 120, patienceMs: 60_000, onSilence });
  await assert.rejects(plane.describe(), (error) => {
    assert.ok(isAppError(error, "store_unavailable"));
    assert.match(error.hint ?? "", /is its process stopped\?/);
    return true;
  });
  // It has been waited for as long as it may take: it is not asked again.
  assert.deepEqual([calls, told.length], [1, 1]);
  assert.ok(told[0]?.startsWith(`${origin} has not answered for`));
});
