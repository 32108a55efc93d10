// Faults to catch: a server whose launcher was killed lives on, and holds the store, with nobody who knows of it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { test } from "node:test";
import { Project } from "./command.ts";

test("a server that another Node has started ends in good order when that one is gone", async (t) => {
  const project = new Project(t);
  const start = join(import.meta.dirname, "..", "..", "server", "bin", "start.js");
  const server = spawn(process.execPath, [start, "server", "--port", "0", "--json"], {
    cwd: project.root,
    env: { PATH: process.env.PATH, HOLDFAST_LAUNCHER_FD: "3" },
    stdio: ["ignore", "pipe", "inherit", "pipe"],
  });
  t.after(() => server.kill("SIGKILL"));
  const ended = once(server, "exit");
  let said = "";
  for await (const text of server.stdout?.setEncoding("utf8") ?? []) {
    said += String(text);
    if (!said.includes('"url"')) continue;
    // What the system does to the launcher's end when the launcher is killed.
    (server.stdio[3] as Duplex).destroy();
    break;
  }
  assert.match(said, /"url"/);
  assert.deepEqual(await ended, [0, null]);
});
