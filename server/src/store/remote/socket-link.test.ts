// Fault to catch: an owner that is stopped takes connections and never says a word, and whoever asks it waits for ever, silently.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { AppError, encodeFrame } from "@holdfast/protocol";
import { inFolder } from "../owned/folder.fixture.ts";
import { holderOf } from "../owned/holder.ts";
import { SocketLink } from "./socket-link.ts";
import { storeWireVersion } from "./wire.ts";

test("an owner that takes the connection and does not greet is given up, in the words of who knows it", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "s");
    const server = createServer(() => undefined).listen(path);
    await once(server, "listening");
    const silence = () => new AppError("store_unavailable", "It is stopped.");
    let ended = 0;
    const onExit = () => {
      ended += 1;
    };
    await assert.rejects(SocketLink.open(path, { onExit, silence, patienceMs: 20 }), { message: "It is stopped." });
    assert.equal(ended, 1);
    server.close();
  });
});

test("an owner that falls silent while an answer is waited for is told of, then given up; one that answers greetings is not", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "s");
    const hello = encodeFrame({ hello: { version: storeWireVersion, pid: process.pid } });
    let greetings = 0;
    // The first of its clients is answered for a while, though not what it asks.
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.on("data", () => {
        greetings += 1;
        if (greetings <= answered) socket.write(hello);
      });
    }).listen(path);
    await once(server, "listening");
    const answered = 40;
    const told: string[] = [];
    const link = await SocketLink.open(path, {
      onExit: () => undefined,
      silence: () => new AppError("store_unavailable", "It is stopped."),
      onSilence: ({ message }) => {
        assert.ok(greetings > answered, "it is not silent as long as it greets");
        told.push(message);
      },
      lookMs: 1,
    });
    await assert.rejects(link.call("describe", {}), { message: "It is stopped." });
    assert.deepEqual([told, link.ended], [["It is stopped."], true]);
    server.close();
  });
});

test("who has a file open is found by its number, and so is whether it is stopped", async () => {
  await inFolder(async (folder) => {
    const file = join(folder, "lock");
    writeFileSync(file, "");
    assert.equal(holderOf(file), undefined);
    const child = spawn("/bin/sh", ["-c", 'exec 5<"$0"; echo open; read -r line', file], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    await once(child.stdout, "data");
    assert.deepEqual(holderOf(file), { pid: child.pid, isStopped: false });
    const stopped = spawn("/bin/sh", ["-c", 'kill -STOP "$0"', String(child.pid)]);
    await once(stopped, "exit");
    for (const until = performance.now() + 30_000; holderOf(file)?.isStopped !== true; ) {
      assert.ok(performance.now() < until);
      await new Promise((resolve) => setImmediate(resolve));
    }
    child.kill("SIGKILL");
    await once(child, "exit");
    assert.equal(holderOf(join(folder, "nothing")), undefined);
  });
});
