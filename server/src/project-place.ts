import { existsSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { makeFolders } from "./folders.ts";

// Where a project is.

const configNames = ["ts", "mts", "js", "mjs"].map((extension) => `holdfast.config.${extension}`);

export interface ProjectPlace {
  readonly root: string;
  readonly configFile: string | undefined;
}

/** The root: the folder of the nearest config file at or above `from`, else of the nearest package.json, else `from`. */
export function findProject(from: string): ProjectPlace {
  const folders = [...ancestors(resolve(from))];
  for (const folder of folders) {
    const configFile = configNames.map((name) => join(folder, name)).find((file) => existsSync(file));
    if (configFile !== undefined) return { root: folder, configFile };
  }
  const withPackage = folders.find((folder) => existsSync(join(folder, "package.json")));
  return { root: withPackage ?? resolve(from), configFile: undefined };
}

function* ancestors(folder: string): Generator<string> {
  for (let at = folder; ; at = dirname(at)) {
    yield at;
    if (dirname(at) === at) return;
  }
}

/** `.holdfast/` under the root, made when it is missing, with a .gitignore of its own. */
export function ensureStateFolder(root: string): string {
  const folder = join(root, ".holdfast");
  makeFolders(folder);
  const ignore = join(folder, ".gitignore");
  if (!existsSync(ignore)) writeFileSync(ignore, "*\n");
  return folder;
}
