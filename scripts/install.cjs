"use strict";
// Runs before `npm start` and `npm test` under whatever Node the system has (20 and up), so: plain old JavaScript,
// no dependency. Installs when nothing is installed yet or the lockfile is newer than what is installed.
const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");

const root = path.resolve(__dirname, "..");
const installed = path.join(root, "node_modules", ".package-lock.json");
const lockfile = path.join(root, "package-lock.json");

function modifiedMs(file) {
  try {
    return fs.statSync(file).mtimeMs;
  } catch {
    return 0;
  }
}

// npm writes node_modules/.package-lock.json last, so an install that was interrupted counts as none.
if (modifiedMs(installed) < modifiedMs(lockfile)) {
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
