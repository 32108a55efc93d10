import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";

/** What of a project's tsconfig.json matters for running its files. */
export interface TsConfig {
  readonly file: string | undefined;
  /** Absolute; where bare names are looked for before packages. */
  readonly baseUrl: string | undefined;
  /** Patterns with at most one `*`, the most specific first, with absolute targets. */
  readonly paths: readonly { readonly pattern: string; readonly targets: readonly string[] }[];
  readonly options: CompilerOptions;
}

export interface CompilerOptions {
  readonly experimentalDecorators?: boolean;
  readonly emitDecoratorMetadata?: boolean;
  readonly jsx?: string;
  readonly jsxImportSource?: string;
  readonly jsxFactory?: string;
  readonly jsxFragmentFactory?: string;
  readonly verbatimModuleSyntax?: boolean;
  readonly useDefineForClassFields?: boolean;
}

interface RawConfig {
  readonly extends?: string | readonly string[];
  readonly compilerOptions?: CompilerOptions & {
    readonly baseUrl?: string;
    readonly paths?: Readonly<Record<string, readonly string[]>>;
  };
}

const none: TsConfig = { file: undefined, baseUrl: undefined, paths: [], options: {} };
const byFolder = new Map<string, TsConfig>();

/** The nearest tsconfig.json at or above a folder, with what it extends. Throws SyntaxError naming an unreadable file. */
export function tsConfigOf(folder: string): TsConfig {
  const known = byFolder.get(folder);
  if (known !== undefined) return known;
  const file = join(folder, "tsconfig.json");
  const parent = dirname(folder);
  const config = existsSync(file) ? readConfig(file, 0) : parent === folder ? none : tsConfigOf(parent);
  byFolder.set(folder, config);
  return config;
}

function readConfig(file: string, depth: number): TsConfig {
  const raw = parse(file);
  const folder = dirname(file);
  const parents = depth < 20 ? [raw.extends ?? []].flat() : [];
  let inherited = none;
  for (const parent of parents) {
    const found = findParent(parent, file);
    if (found === undefined) continue;
    const next = readConfig(found, depth + 1);
    inherited = {
      file,
      baseUrl: next.baseUrl ?? inherited.baseUrl,
      paths: next.paths.length > 0 ? next.paths : inherited.paths,
      options: { ...inherited.options, ...next.options },
    };
  }
  const { baseUrl, paths, ...options } = raw.compilerOptions ?? {};
  const base = baseUrl === undefined ? inherited.baseUrl : resolve(folder, baseUrl);
  return {
    file,
    baseUrl: base,
    paths: paths === undefined ? inherited.paths : readPaths(paths, base ?? folder),
    options: { ...inherited.options, ...options },
  };
}

function readPaths(paths: Readonly<Record<string, readonly string[]>>, base: string): TsConfig["paths"] {
  const prefix = (pattern: string): number => (pattern.includes("*") ? pattern.indexOf("*") : Number.POSITIVE_INFINITY);
  return Object.entries(paths)
    .map(([pattern, targets]) => ({ pattern, targets: targets.map((target) => resolve(base, target)) }))
    .sort((a, b) => (prefix(a.pattern) === prefix(b.pattern) ? 0 : prefix(b.pattern) - prefix(a.pattern)));
}

function findParent(name: string, from: string): string | undefined {
  if (name.startsWith(".") || name.startsWith("/")) {
    const path = resolve(dirname(from), name);
    return [path, `${path}.json`].find((file) => file.endsWith(".json") && existsSync(file));
  }
  const require = createRequire(from);
  for (const candidate of [name, `${name}.json`, `${name}/tsconfig.json`]) {
    try {
      const found = require.resolve(candidate);
      if (found.endsWith(".json")) return found;
    } catch {
      // The next spelling may be the one; a parent that is not installed changes types only.
    }
  }
  return undefined;
}

function parse(file: string): RawConfig {
  const text = readFileSync(file, "utf8");
  try {
    const value: unknown = JSON.parse(withoutComments(text));
    return typeof value === "object" && value !== null ? value : {};
  } catch (error) {
    throw new SyntaxError(`${file} is not readable: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** JSON as tsconfig.json may be written: comments, commas at the end, a byte order mark. */
export function withoutComments(text: string): string {
  const pieces = /"(?:[^"\\]|\\.)*"|\/\/[^\n]*|\/\*[\s\S]*?\*\/|,(?=(?:\s|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*[}\]])/g;
  return text.replace(/^\uFEFF/, "").replace(pieces, (piece) => (piece.startsWith('"') ? piece : ""));
}
