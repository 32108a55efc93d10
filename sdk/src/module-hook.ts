import { existsSync, readFileSync, statSync } from "node:fs";
import { type LoadHookSync, type ResolveHookSync, registerHooks } from "node:module";
import { dirname, extname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type CodeFile, fileStamp, limits } from "@holdfast/protocol";
import { resolveRuntimePart, transform } from "./transform.ts";
import { tsConfigOf } from "./tsconfig.ts";

// The one hook by which user files load, in the compiler, in children and in tests: TypeScript with its full syntax, always
// as ES modules, extensions optional, the `paths` of tsconfig.json honoured, and `holdfast` found even where it is not
// installed. Files under node_modules and Holdfast's own are left to Node.

const ownUrl = import.meta.url;
const ownSources = ["protocol", "sdk", "server"].map((folder) => new URL(`../../${folder}/src/`, ownUrl).href);
const transformed = new Set([".ts", ".tsx", ".mts", ".jsx"]);
const guesses = [".ts", ".tsx", ".mts", ".js", ".mjs", ".jsx", ".cts", ".cjs", ".json"];
/** What an extension that was written may stand for in the sources. */
const spellings: Readonly<Record<string, readonly string[]>> = {
  ".js": [".ts", ".tsx", ".jsx"],
  ".jsx": [".tsx"],
  ".mjs": [".mts"],
  ".cjs": [".cts"],
};
/** The innermost package that a file belongs to. */
const packageFolder = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/;
/** Packages that are found beside this copy when the project has none of its own. */
const provided = /^(?:holdfast|@holdfast\/sdk|zod)(?:\/|$)/;

let registered = false;
const loaded = new Set<string>();
/** What this process's code depends on, with how it was when it was read; and what of it has not been told yet. */
const code = new Set<string>();
let untold: CodeFile[] = [];

/** Paths of the user files that this process has loaded so far, in the order of loading. */
export function loadedFiles(): string[] {
  return [...loaded];
}

/**
 * The code that was loaded since the last call: user files, the tsconfig.json that they were read by, and package.json of each
 * package. `complete` is false when there are more than can be told.
 */
export function takeCode(): { readonly loaded: CodeFile[]; readonly complete: boolean } {
  const told = untold.slice(0, limits.codeFiles);
  untold = [];
  return { loaded: told, complete: code.size <= limits.codeFiles };
}

/** Registers the hook for this process; a second call does nothing. */
export function registerModuleHook(): void {
  if (registered) return;
  registered = true;
  registerHooks({ resolve, load });
}

const resolve: ResolveHookSync = (specifier, context, nextResolve) => {
  const part = resolveRuntimePart(specifier);
  if (part !== undefined) return { url: part, format: "module", shortCircuit: true };
  const parent = context.parentURL;
  if (parent === undefined || !isUserFile(parent)) return nextResolve(specifier, context);
  const found = isPath(specifier) ? resolvePath(specifier, parent) : resolveAlias(specifier, parent);
  if (found !== undefined) return nextResolve(found, context);
  if (!provided.test(specifier)) return nextResolve(specifier, context);
  try {
    return nextResolve(specifier, context);
  } catch (error) {
    if (!isMissing(error)) throw error;
    if (specifier === "holdfast" || specifier === "@holdfast/sdk") {
      return { url: new URL(`./index${extname(ownUrl)}`, ownUrl).href, format: ownFormat, shortCircuit: true };
    }
    return nextResolve(specifier, { ...context, parentURL: ownUrl });
  }
};

const ownFormat = ownUrl.endsWith(".ts") ? "module-typescript" : "module";

const load: LoadHookSync = (url, context, nextLoad) => {
  if (!isUserFile(url)) {
    notePackage(url);
    return nextLoad(url, context);
  }
  const file = fileURLToPath(url);
  loaded.add(file);
  // Before it is read: what changes in between is seen as a change.
  note(file);
  const extension = extname(file);
  if (transformed.has(extension)) {
    process.setSourceMapsEnabled(true);
    const config = tsConfigOf(dirname(file));
    if (config.file !== undefined) note(config.file);
    const source = transform(file, readFileSync(file, "utf8"), config.options);
    return { format: "module", source, shortCircuit: true };
  }
  if (extension === ".json" && context.importAttributes.type !== "json") {
    return { format: "module", source: `export default ${readFileSync(file, "utf8")};`, shortCircuit: true };
  }
  if (extension === ".js" && context.format === "commonjs") {
    const source = readFileSync(file, "utf8");
    if (/^\s*(?:import\b(?!\s*\()|export\b)/m.test(source)) return { format: "module", source, shortCircuit: true };
  }
  return nextLoad(url, context);
};

function note(file: string): void {
  if (code.has(file)) return;
  code.add(file);
  untold.push({ path: file, stamp: fileStamp(statSync(file, { throwIfNoEntry: false })) });
}

/** A package is replaced whole, and its package.json with it. */
function notePackage(url: string): void {
  const folder = url.startsWith("file:") ? packageFolder.exec(url)?.[0] : undefined;
  if (folder !== undefined) note(join(fileURLToPath(folder), "package.json"));
}

function isUserFile(url: string): boolean {
  return url.startsWith("file:") && !url.includes("/node_modules/") && !ownSources.some((own) => url.startsWith(own));
}

function isPath(specifier: string): boolean {
  return /^(?:\.{1,2}(?:\/|$)|\/|file:)/.test(specifier);
}

function isMissing(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    (error.code === "ERR_MODULE_NOT_FOUND" || error.code === "MODULE_NOT_FOUND")
  );
}

function resolvePath(specifier: string, parent: string): string | undefined {
  const url = new URL(specifier, parent);
  const found = findFile(fileURLToPath(new URL(url.pathname, "file://")));
  return found && pathToFileURL(found).href + url.search + url.hash;
}

function resolveAlias(specifier: string, parent: string): string | undefined {
  if (specifier.startsWith("node:") || specifier.startsWith("#") || /^[a-z]+:/.test(specifier)) return undefined;
  const { paths, baseUrl } = tsConfigOf(dirname(fileURLToPath(parent)));
  for (const { pattern, targets } of paths) {
    const matched = matchPattern(pattern, specifier);
    if (matched === undefined) continue;
    for (const target of targets) {
      const found = findFile(target.replace("*", () => matched));
      if (found !== undefined) return pathToFileURL(found).href;
    }
    return undefined;
  }
  const found = baseUrl === undefined ? undefined : findFile(join(baseUrl, specifier));
  return found && pathToFileURL(found).href;
}

/** What `*` stands for, "" without one, or undefined when the name does not match. */
function matchPattern(pattern: string, specifier: string): string | undefined {
  const star = pattern.indexOf("*");
  if (star === -1) return pattern === specifier ? "" : undefined;
  const [before, after] = [pattern.slice(0, star), pattern.slice(star + 1)];
  const long = specifier.length >= before.length + after.length;
  return long && specifier.startsWith(before) && specifier.endsWith(after)
    ? specifier.slice(before.length, specifier.length - after.length)
    : undefined;
}

/** The file that a path without, or with another, extension means. */
function findFile(path: string): string | undefined {
  if (isFile(path)) return path;
  const written = extname(path);
  const stem = path.slice(0, path.length - written.length);
  const candidates = [
    ...(spellings[written] ?? []).map((extension) => stem + extension),
    ...guesses.map((extension) => path + extension),
    ...guesses.map((extension) => join(path, `index${extension}`)),
  ];
  return candidates.find(isFile);
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}
