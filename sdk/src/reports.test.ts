import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ChannelCall } from "@holdfast/protocol";
import { LogSender, ProgressSender } from "./reports.ts";

interface Sent {
  readonly lines?: readonly { readonly level: string; readonly text: string; readonly fields?: object }[];
  readonly done?: number;
}

/** A channel whose calls are answered when the test says so. */
function channel() {
  const sent: Sent[] = [];
  const open: (() => void)[] = [];
  const call = ((_method: string, params: Sent) => {
    sent.push(params);
    return new Promise<object>((resolve) => open.push(() => resolve({})));
  }) as unknown as ChannelCall;
  const answerAll = async () => {
    while (open.length > 0) {
      for (const answer of open.splice(0)) answer();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const texts = () => sent.flatMap((params) => params.lines ?? []).map((line) => line.text);
  return { sent, call, answerAll, texts };
}

describe("ctx.log", () => {
  it("sends the lines of one turn as one call", async () => {
    const { sent, call } = channel();
    const log = new LogSender(call);
    log.info("one", { n: 1 });
    log.error("two");
    await Promise.resolve();
    assert.deepEqual(sent, [
      {
        lines: [
          { level: "info", text: "one", fields: { n: 1 } },
          { level: "error", text: "two" },
        ],
      },
    ]);
  });

  it("drops and counts what comes while nothing is answered, and sends the rest in order", async () => {
    const { call, answerAll, texts } = channel();
    const log = new LogSender(call);
    for (let i = 0; i < 30_000; i++) log.info(`line ${i}`);
    await answerAll();
    const all = texts();
    const kept = all.filter((text) => text.startsWith("line"));
    assert.deepEqual(
      kept,
      Array.from({ length: kept.length }, (_, i) => `line ${i}`),
    );
    const dropped = all.filter((text) => text.includes("were dropped"));
    assert.deepEqual(dropped, [`${30_000 - kept.length} lines of ctx.log were dropped: they came too fast.`]);
    assert.ok(kept.length >= 10_000 && kept.length < 30_000);
  });

  it("cuts long lines, and says of fields that cannot be kept why", async () => {
    const { call, sent } = channel();
    const log = new LogSender(call);
    log.info("x".repeat(1_000_000));
    log.warn("map", { m: new Map() as never });
    log.debug("nul\u0000");
    log.info("name", { "n\u0000": new Map() as never });
    log.info(Object.create(null), ["a", "list"] as never);
    log.close();
    const [long, map, nul, name, list] = sent[0]?.lines ?? [];
    assert.deepEqual(name?.fields, { dropped: "fields.n\ufffd is a Map, which JSON cannot keep." });
    assert.deepEqual(list, { level: "info", text: "[Object: null prototype] {}", fields: { value: ["a", "list"] } });
    assert.ok((long?.text.length ?? 0) < 64 * 1024 && long?.text.endsWith("(cut: 1000000 characters)"));
    assert.deepEqual(map?.fields, { dropped: "fields.m is a Map, which JSON cannot keep." });
    assert.equal(nul?.text, "nul\ufffd");
    log.info("too late");
    await Promise.resolve();
    assert.equal(sent.length, 1);
  });
});

describe("ctx.progress", () => {
  it("sends the latest report once the one before is answered", async () => {
    const { call, sent, answerAll } = channel();
    const progress = new ProgressSender(call);
    for (const done of [1, 2, 3]) progress.report(done, undefined, undefined);
    await answerAll();
    assert.deepEqual(
      sent.map((params) => params.done),
      [1, 3],
    );
    progress.report(Number.NaN, undefined, undefined);
    progress.report(4, undefined, undefined);
    progress.report(5, undefined, undefined);
    progress.close();
    assert.deepEqual(
      sent.map((params) => params.done),
      [1, 3, 4, 5],
    );
  });
});
