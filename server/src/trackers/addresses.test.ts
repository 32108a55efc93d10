// Faults to catch: a URL of somebody who may only write URLs reaches this machine, its network or the identity of its cloud: as a
// number in any spelling, by a name, by a name that changes between check and call, or by a redirect.
import assert from "node:assert/strict";
import type { LookupAddress } from "node:dns";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { after, describe, test } from "node:test";
import { TrackingError } from "@holdfast/protocol";
import { authority, serverTls } from "../../../test/clouds/certificates/index.ts";
import { AddressGuard, type Resolve } from "./addresses.ts";
import { Dialer } from "./dialer.ts";
import { Outbound } from "./outbound.ts";
import { LocalService } from "./service.fixture.ts";

const inside = [
  ...["127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1"],
  ...["224.0.0.1", "255.255.255.255", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1", "fd12::1", "ff02::1"],
  ...["::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::a00:1", "2002:a00:1::", "fec0::1"],
];
const metadata = ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "64:ff9b::a9fe:a9fe"];
const outside = ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"];

function isRefused(guard: AddressGuard, address: string, host = address): boolean {
  try {
    guard.checkAddress(address, host);
    return false;
  } catch (error) {
    assert.ok(error instanceof TrackingError && error.failure.code === "refused_address");
    return true;
  }
}

test("addresses that only this machine can reach are refused, public ones are not", () => {
  const guard = new AddressGuard({});
  assert.deepEqual(
    [...inside, ...metadata, ...outside].filter((address) => !isRefused(guard, address)),
    outside,
  );
});

test("private networks can be opened as a whole, but never with them the metadata service of a cloud", () => {
  const guard = new AddressGuard({ private: true });
  assert.deepEqual(
    [...inside, ...metadata].filter((address) => isRefused(guard, address)),
    ["::ffff:a9fe:a9fe", ...metadata],
  );
  assert.equal(isRefused(new AddressGuard({ allow: ["169.254.169.254"] }), "169.254.169.254"), false);
});

test("a host, an address or a range can be allowed, and nothing beside it", () => {
  const guard = new AddressGuard({ allow: ["status.internal", "10.0.0.7", "192.168.0.0/16"] });
  assert.equal(isRefused(guard, "10.9.9.9", "status.internal"), false);
  assert.equal(isRefused(guard, "10.9.9.9", "other.internal"), true);
  assert.equal(isRefused(guard, "10.0.0.7"), false);
  assert.equal(isRefused(guard, "10.0.0.8"), true);
  assert.equal(isRefused(guard, "192.168.3.4", "x.example"), false);
  assert.equal(isRefused(guard, "::ffff:192.168.3.4", "x.example"), false);
  assert.throws(() => new AddressGuard({ allow: ["10.0.0.0/99"] }), /names no host/);
});

describe("a guarded call", () => {
  let hits = 0;
  const starting = LocalService.start(() => {
    hits++;
    return { body: { secret: 1 } };
  });
  after(async () => (await starting).close());

  const names: Record<string, LookupAddress[][]> = {
    "inside.example": [[{ address: "127.0.0.1", family: 4 }]],
    // The first answer is allowed, every later one is not: so an attacker's name server answers.
    "rebinding.example": [[{ address: "127.0.0.2", family: 4 }], [{ address: "127.0.0.1", family: 4 }]],
    "both.example": [
      [
        { address: "10.0.0.1", family: 4 },
        { address: "127.0.0.1", family: 4 },
      ],
    ],
  };
  const looked: string[] = [];
  const resolve: Resolve = (hostname, _options, callback) => {
    looked.push(hostname);
    const answers = names[hostname] ?? [];
    callback(null, (answers.length > 1 ? answers.shift() : answers[0]) ?? []);
  };

  async function call(url: string, rules = {}): Promise<string> {
    const dialer = new Dialer(new AddressGuard(rules), resolve);
    const outbound = new Outbound({ dialer, signal: new AbortController().signal, timeoutMs: 500 });
    try {
      return String((await outbound.send({ url, guarded: true })).status);
    } catch (error) {
      assert.ok(error instanceof TrackingError, String(error));
      return error.failure.code;
    } finally {
      await dialer.destroy();
    }
  }

  test("reaches no address of this machine in any spelling", async () => {
    const { port } = await starting;
    const hosts = [
      "127.0.0.1",
      "localhost",
      "[::1]",
      "[::ffff:127.0.0.1]",
      "2130706433",
      "0x7f.1",
      "0177.0.0.1",
      "0.0.0.0",
    ];
    names.localhost = [[{ address: "127.0.0.1", family: 4 }]];
    for (const host of hosts) assert.equal(await call(`http://${host}:${port}/`), "refused_address", host);
    for (const host of ["inside.example", "both.example"]) {
      assert.equal(await call(`http://${host}:${port}/`), "refused_address", host);
    }
    assert.equal(hits, 0);
  });

  test("looks a name up once, and connects to what was looked at: what the name means a moment later does not matter", async () => {
    const { port } = await starting;
    looked.length = 0;
    const rules = { allow: ["127.0.0.2"] };
    assert.equal(
      await call(`http://rebinding.example:${port}/`, rules),
      "ECONNREFUSED",
      "nobody listens at that address",
    );
    assert.equal(hits, 0);
    assert.deepEqual(looked, ["rebinding.example"]);
    assert.equal(await call(`http://rebinding.example:${port}/`, rules), "refused_address");
  });

  test("of a name's addresses takes only those that are allowed", async () => {
    const { port } = await starting;
    const before = hits;
    assert.equal(await call(`http://both.example:${port}/`, { allow: ["127.0.0.0/8"] }), "200");
    assert.equal(hits, before + 1);
  });

  test("is refused what it is redirected to, be it by name or number", async () => {
    const { port } = await starting;
    const redirecting = await LocalService.start(({ query }) => ({
      status: 302,
      headers: { location: query.get("to") ?? "" },
    }));
    after(() => redirecting.close());
    const before = hits;
    names["entry.example"] = [[{ address: "127.0.0.1", family: 4 }]];
    for (const to of [`http://[::ffff:10.0.0.1]:${port}/`, `http://both.example:${port}/`, "http://169.254.169.254/"]) {
      const url = `http://entry.example:${redirecting.port}/?to=${encodeURIComponent(to)}`;
      assert.equal(await call(url, { allow: ["entry.example"] }), "refused_address", to);
    }
    assert.equal(await call(`http://entry.example:${redirecting.port}/?to=ftp://x/`, { private: true }), "invalid_url");
    const loop = `http://entry.example:${redirecting.port}/?to=`;
    assert.equal(await call(`${loop}${encodeURIComponent(`/?to=/`)}`, { private: true }), "redirects");
    assert.equal(hits, before);
  });
});

test("secrets of a connection go to its own origin alone, and what a caller sent to another origin stays behind", async () => {
  const target = await LocalService.start(() => ({ body: {} }));
  const entry = await LocalService.start(() => ({ status: 307, headers: { location: `${target.url}/there` } }));
  const dialer = new Dialer(new AddressGuard({ private: true }));
  try {
    const outbound = new Outbound({ dialer, signal: new AbortController().signal, timeoutMs: 5_000 });
    await outbound.send({
      url: `${entry.url}/here`,
      method: "POST",
      body: "{}",
      headers: { authorization: "Bearer own", "x-kept": "yes" },
      secrets: { origin: entry.url, headers: { "x-secret": "hush" } },
      guarded: true,
    });
    const [first] = entry.calls;
    assert.deepEqual([first?.headers.authorization, first?.headers["x-secret"]], ["Bearer own", "hush"]);
    const [second] = target.calls;
    assert.deepEqual([second?.headers.authorization, second?.headers["x-secret"]], [undefined, undefined]);
    assert.deepEqual([second?.method, second?.headers["x-kept"]], ["POST", "yes"]);
  } finally {
    await Promise.all([dialer.destroy(), target.close(), entry.close()]);
  }
});

test("a redirect leads from https to no place where everybody could read along", async () => {
  const target = await LocalService.start(() => ({ body: {} }));
  const secure = createServer(serverTls, (_request, response) =>
    response.writeHead(302, { location: target.url }).end(),
  );
  await new Promise<void>((resolve) => secure.listen(0, "127.0.0.1", resolve));
  const dialer = new Dialer(new AddressGuard({ private: true }));
  try {
    const outbound = new Outbound({ dialer, signal: new AbortController().signal, timeoutMs: 5_000 });
    const url = `https://127.0.0.1:${(secure.address() as AddressInfo).port}/`;
    const refused = await outbound
      .send({ url, guarded: true, tls: { ca: authority } })
      .catch((error: unknown) => error);
    assert.ok(refused instanceof TrackingError, String(refused));
    assert.deepEqual([refused.failure.fault, refused.failure.code], ["permanent", "redirects"]);
    assert.equal(target.calls.length, 0);
    const unknown = await outbound.send({ url, guarded: true }).catch((error: unknown) => error);
    assert.ok(
      unknown instanceof TrackingError && unknown.failure.fault === "transient",
      "an unknown authority is not believed",
    );
  } finally {
    secure.closeAllConnections();
    await new Promise((resolve) => secure.close(resolve));
    await Promise.all([dialer.destroy(), target.close()]);
  }
});
