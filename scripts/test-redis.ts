/** Finds the Redis server that tests run, and installs it where that can be done without asking. */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { apt, isDebian } from "./apt.ts";

function findRedis(): string | undefined {
  const folders = ["/usr/bin", "/opt/homebrew/bin", ...(process.env.PATH ?? "").split(delimiter)];
  return folders.map((folder) => join(folder, "redis-server")).find((path) => existsSync(path));
}

/** The program `redis-server`. Tests never skip for want of it. */
export function requireRedis(): string {
  const found = findRedis();
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0 || !isDebian()) {
    throw new Error(
      "This test needs Redis. Debian and Ubuntu: apt-get install redis-server. macOS: brew install redis.",
    );
  }
  console.log("Installing Redis (apt-get)…");
  apt("update");
  apt("install", "-y", "--no-install-recommends", "redis-server");
  const installed = findRedis();
  if (installed === undefined) throw new Error("apt-get installed no Redis.");
  return installed;
}
