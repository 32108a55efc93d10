"use strict";
// Runs before `npm start` and `npm test` under whatever Node the system has (20 and up), so: plain old JavaScript,
// no dependency. Installs when nothing is installed yet or the lockfile is newer than what is installed; the lockfile
// carries a Node of its own for Linux. The argument is the lowest Node version that what comes next needs.
const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");

const root = path.resolve(__dirname, "..");
const modules = path.join(root, "node_modules");
const neededNode = process.argv[2] || "22.18";

function modifiedMs(file) {
  try {
    return fs.statSync(file).mtimeMs;
  } catch {
    return 0;
  }
}

function isAtLeast(version, needed) {
  const have = version.replace(/^v/, "").split(".").map(Number);
  const want = needed.split(".").map(Number);
  return have[0] > want[0] || (have[0] === want[0] && have[1] >= (want[1] || 0));
}

// npm writes node_modules/.package-lock.json last, so an install that was interrupted counts as none.
if (modifiedMs(path.join(modules, ".package-lock.json")) < modifiedMs(path.join(root, "package-lock.json"))) {
  console.log("Installing packages (npm ci)…");
  const result = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (result.error) console.error(`npm could not be started: ${result.error.message}`);
  if (result.status !== 0) {
    console.error("npm ci failed; see its messages above. Holdfast needs npm and access to the npm registry once.");
    process.exit(result.status || 1);
  }
}

const bundled = spawnSync(path.join(modules, ".bin", "node"), ["--version"], { encoding: "utf8" });
const version = bundled.status === 0 ? bundled.stdout.trim() : process.version;
if (!isAtLeast(version, neededNode)) {
  console.error(`Node ${neededNode} or newer is needed here; this is ${version}. See https://nodejs.org/.`);
  process.exit(1);
}
