/**
 * `npm start`: Holdfast on SQLite carries out the examples: flights in TypeScript and, where there is a Python, in YAML; then the
 * warehouse. It goes on with what an earlier start left unfinished. On a terminal it then serves until Ctrl-C; otherwise it ends
 * with the exit code. `npm start -- warehouse` carries out the examples of that name alone.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";
import { main } from "../server/src/cli/main.ts";
import { findPython, NoPython } from "../server/src/python-interpreter.ts";
import { isFree, NoWarehouse, Warehouse } from "./warehouse.ts";

const usualPort = 4400;

interface Example {
  /** Of its definition. */
  readonly id: string;
  readonly file: string;
  /** Makes ready what it needs, or tells why it is left out. */
  readonly missing?: () => Promise<string | undefined>;
}

/** Why the example's Python cannot run here; undefined when it can. */
function whyNoPython(folder: string): string | undefined {
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
    return recent.status === 0 ? undefined : `its tasks are Python, and ${python.program} is older than Python 3.9.`;
  } catch (error) {
    if (error instanceof NoPython) return `its tasks are Python: ${error.message} ${error.hint}`;
    throw error;
  }
}

let warehouse: Promise<Warehouse> | undefined;

/** It starts while the examples before it are carried out: the first time it is installed meanwhile. */
function openWarehouse(): void {
  warehouse = Warehouse.open(".holdfast/warehouse");
  warehouse.catch(() => undefined);
}

async function isWarehouseThere(): Promise<string | undefined> {
  try {
    const url = (await warehouse)?.url ?? "";
    process.env.WAREHOUSE_URL = url;
    console.error(`The warehouse is another process, at ${url}.`);
    return undefined;
  } catch (error) {
    if (error instanceof NoWarehouse) return `its warehouse does not start: ${error.message}`;
    throw error;
  }
}

/**
 * The last of them of which an earlier start left a run unfinished. It goes on by itself as soon as somebody carries out anything,
 * and would have ended unseen by the time that it was asked for behind the others.
 */
function firstUnfinished(examples: readonly Example[]): number {
  if (!existsSync(".holdfast")) return 0;
  const command = fileURLToPath(new URL("../server/bin/holdfast.js", import.meta.url));
  const args = [...process.execArgv, command, "runs", "list", "--limit", "20", "--json"];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) return 0;
  const { runs } = JSON.parse(stdout) as {
    readonly runs: readonly { readonly definition: string; readonly endedAt: string | null }[];
  };
  const unfinished = new Set(runs.filter(({ endedAt }) => endedAt === null).map(({ definition }) => definition));
  return Math.max(
    0,
    examples.findLastIndex(({ id }) => unfinished.has(id)),
  );
}

/** The first of them that can be carried out here; of those before it is told why not. */
async function nextOf(examples: readonly Example[]): Promise<readonly Example[]> {
  const [example, ...others] = examples;
  const why = await example?.missing?.();
  if (example === undefined || why === undefined) return examples;
  console.error(`${example.file} is left out, since ${why}`);
  return nextOf(others);
}

/** On a terminal the last one serves. */
async function servingFlags(): Promise<string[]> {
  if (!process.stdout.isTTY) return [];
  // Somebody else's program may listen there; `holdfast run` would rightly refuse.
  return (await isFree(usualPort)) ? ["--serve"] : ["--serve", "--port", "0"];
}

async function carryOut(examples: readonly Example[]): Promise<number> {
  for (let left = await nextOf(examples); left.length > 0; ) {
    const [example, ...others] = left;
    left = await nextOf(others);
    const flags = left.length === 0 ? await servingFlags() : [];
    const code = await main(["run", example?.file ?? "", "--resume", ...flags]);
    if (code !== 0) return code;
  }
  return 0;
}

enableCompileCache();
const names = process.argv.slice(2);
const isWanted = ({ file }: Example) =>
  names.length === 0 || names.some((name) => file.startsWith(`examples/${name}/`));
const known: readonly Example[] = [
  { id: "flights", file: "examples/flights/flights.ts" },
  {
    id: "flights-yaml",
    file: "examples/flights/flights.yaml",
    missing: () => Promise.resolve(whyNoPython("examples/flights")),
  },
  { id: "warehouse", file: "examples/warehouse/warehouse.ts", missing: isWarehouseThere },
];
const wanted = known.filter(isWanted);
if (wanted.length === 0) {
  console.error(`There is no example "${names.join(" ")}". There are: flights, warehouse.`);
  process.exitCode = 2;
} else {
  if (wanted.some(({ id }) => id === "warehouse")) openWarehouse();
  process.exitCode = await carryOut(wanted.slice(firstUnfinished(wanted)));
  warehouse?.then((one) => one.close()).catch(() => undefined);
}
