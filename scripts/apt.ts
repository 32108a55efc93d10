/** Debian's packages, for servers that tests run. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

export function apt(...args: string[]): void {
  // RUNLEVEL=1 keeps packages from starting servers of their own.
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  execFileSync("apt-get", ["-q", ...args], { env, stdio: "inherit" });
}

export function isDebian(): boolean {
  return (
    existsSync("/etc/os-release") && /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync("/etc/os-release", "utf8"))
  );
}
