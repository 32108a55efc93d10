/** `npm run build`: the three packages' dist folders, in the order of their imports, and the server's copy of the Python SDK. */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, globSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

const root = join(import.meta.dirname, "..");

for (const folder of ["protocol", "sdk", "server"]) {
  const dist = join(root, folder, "dist");
  rmSync(dist, { recursive: true, force: true });
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const { status } = spawnSync(process.execPath, [compiler, "-p", "tsconfig.build.json"], {
    cwd: join(root, folder),
    stdio: "inherit",
  });
  if (status !== 0) process.exit(status ?? 1);
  copyOthers(join(root, folder, "src"), dist);
  console.log(`built ${folder}/dist`);
}

const python = join(root, "server", "python");
rmSync(python, { recursive: true, force: true });
cpSync(join(root, "python", "src"), python, { recursive: true, filter: (path) => !path.endsWith("__pycache__") });
console.log("built server/python");

/** What is read at run time beside the code, such as migrations. */
function copyOthers(from: string, to: string): void {
  if (!existsSync(from)) return;
  for (const file of globSync("**/*.{sql,json,html,css}", { cwd: from })) {
    const target = join(to, file);
    mkdirSync(dirname(target), { recursive: true });
    cpSync(join(from, file), target);
  }
}
