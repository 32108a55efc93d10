/**
 * `npm start`: Holdfast on SQLite carries out the example, in TypeScript and then, where there is a Python, in YAML, going on
 * with what an earlier start left unfinished. On a terminal it then serves until Ctrl-C; otherwise it ends with the exit code.
 */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { main } from "../server/src/cli/main.ts";
import { findPython, NoPython } from "../server/src/placements/process/interpreter.ts";

const usualPort = 4400;
const folder = "examples/flights";

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
    server.close();
    await once(server, "close");
    return true;
  } catch {
    return false;
  }
}

/** Why the example's Python cannot run here; undefined when it can. */
function whyNoPython(): string | undefined {
  const search = {
    projectRoot: process.cwd(),
    folder,
    configured: process.env.HOLDFAST_PYTHON,
    path: process.env.PATH,
  };
  try {
    const python = findPython(search);
    if ("uv" in python) return undefined;
    const recent = spawnSync(python.program, ["-c", "import sys; sys.exit(sys.version_info < (3, 9))"]);
    return recent.status === 0 ? undefined : `${python.program} is older than Python 3.9.`;
  } catch (error) {
    if (error instanceof NoPython) return `${error.message} ${error.hint}`;
    throw error;
  }
}

/**
 * Whether an earlier start was ended within the second run. It goes on by itself as soon as somebody carries out anything,
 * and would have ended unseen by the time that it was asked for behind the first.
 */
function isInYaml(): boolean {
  const command = fileURLToPath(new URL("../server/bin/holdfast.js", import.meta.url));
  const args = [...process.execArgv, command, "runs", "list", "--definition", "flights-yaml", "--limit", "1", "--json"];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) return false;
  const { runs } = JSON.parse(stdout) as { readonly runs: readonly { readonly endedAt: string | null }[] };
  return runs.some(({ endedAt }) => endedAt === null);
}

async function carryOut(files: readonly string[], lastFlags: readonly string[]): Promise<number> {
  for (const [i, file] of files.entries()) {
    const flags = i === files.length - 1 ? lastFlags : [];
    const code = await main(["run", `${folder}/${file}`, "--resume", ...flags]);
    if (code !== 0) return code;
  }
  return 0;
}

enableCompileCache();
const missing = whyNoPython();
const first = existsSync(".holdfast") && missing === undefined && isInYaml() ? [] : ["flights.ts"];
const files = missing === undefined ? [...first, "flights.yaml"] : first;
if (missing !== undefined) console.error(`${folder}/flights.yaml is left out, since its tasks are Python: ${missing}`);
const flags: string[] = [];
if (process.stdout.isTTY) {
  flags.push("--serve");
  // Somebody else's program may listen there; `holdfast run` would rightly refuse.
  if (!(await isFree(usualPort))) flags.push("--port", "0");
}
process.exitCode = await carryOut(files, flags);
