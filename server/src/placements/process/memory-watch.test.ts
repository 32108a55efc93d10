// Fault to catch: what a process has started outside of its group is not counted with it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { MemoryWatch } from "./memory-watch.ts";

const mib = 1024 * 1024;
const large = `x=$(head -c ${40 * mib} /dev/zero | tr "\\\\0" a); sleep 60`;

test("memory of descendants in a group of their own counts", {
  skip: !existsSync("/proc/self/stat"),
  timeout: 20_000,
}, async (t) => {
  // The first shell is small and stays; what it starts leads a group of its own, and tells its number.
  const child = spawn("/bin/sh", ["-c", `setsid /bin/sh -c 'echo $$; ${large}' & wait`], {
    detached: true,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const group = await new Promise<number>((resolve) =>
    child.stdout.once("data", (data: Buffer) => resolve(Number(String(data)))),
  );
  t.after(() => {
    for (const pid of [group, child.pid ?? group]) process.kill(-pid, "SIGKILL");
  });
  const bytes = await new Promise<number>((resolve) => {
    t.after(new MemoryWatch().watch(child.pid ?? 0, 30 * mib, resolve));
  });
  assert.ok(bytes > 30 * mib);
});
