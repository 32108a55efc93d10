// Redis as a state backend: a real server. Faults to catch: an outage that passes for an absent value; a client that never comes back; what
// Redis had acknowledged and lost by a kill; settings with which it would, that nobody hears of; a password in a message.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { isAppError } from "@holdfast/protocol";
import { RedisBackend } from "../../server/src/state-backends/redis-backend.ts";
import { stateBackendSuite } from "../../server/src/state-backends/suite.ts";
import { TestRedis } from "../redis.ts";

describe("Redis as a state backend", { timeout: 120_000 }, () => {
  let redis: TestRedis;
  let count = 0;
  before(async () => {
    redis = await TestRedis.start(["--databases", "100"]);
  });
  after(() => redis.stop());

  // A database of its own is empty.
  const make = async () => {
    count += 1;
    const url = redis.url.replace(/0$/, String(count));
    return {
      backend: new RedisBackend(url),
      reopen: async () => new RedisBackend(url),
      outage: { begin: () => redis.kill(), end: () => redis.launch() },
    };
  };
  for (const { name, run } of stateBackendSuite(make)) it(name, run);

  it("what was acknowledged is there after a kill of Redis", async () => {
    const backend = new RedisBackend(redis.url.replace(/0$/, "90"));
    const names = Array.from({ length: 50 }, (_, n) => `f/${n}`);
    await Promise.all(names.map((name) => backend.put(name, new TextEncoder().encode(name))));
    await redis.kill();
    await redis.launch();
    const next = new RedisBackend(redis.url.replace(/0$/, "90"));
    for (const name of names) assert.equal(new TextDecoder().decode(await next.get(name)), name);
    await Promise.all([backend.close(), next.close()]);
  });

  it("a Redis that is not there is an outage, told without the password of its address", async () => {
    const away = new RedisBackend("redis://user:secret@127.0.0.1:1/0");
    await assert.rejects(away.get("f/a"), (error) => {
      assert.ok(isAppError(error, "store_unavailable"));
      assert.match(error.message, /redis:\/\/127\.0\.0\.1:1\/0 failed: .*ECONNREFUSED/);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
    await away.close();
  });

  it("settings with which Redis loses what it has acknowledged are told, and right ones are not", async () => {
    const backend = new RedisBackend(redis.url);
    assert.deepEqual(await backend.check(), []);
    await backend.close();
    const careless = await TestRedis.start(["--appendfsync", "everysec", "--maxmemory-policy", "allkeys-lru"]);
    const other = new RedisBackend(careless.url);
    const defects = await other.check();
    assert.equal(defects.length, 2);
    assert.ok(defects.every(({ certain }) => certain));
    assert.match(defects.map(({ message }) => message).join(" "), /before it has synced.*allkeys-lru/);
    await other.close();
    await careless.stop();
  });
});
