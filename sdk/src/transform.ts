import { createRequire } from "node:module";
import { extname } from "node:path";
import type { CompilerOptions } from "./tsconfig.ts";

// User files as JavaScript with an inline source map. The transformer is loaded when the first file needs it.

/** A file that cannot be transformed: where and why. */
class TransformError extends SyntaxError {
  override readonly name = "TransformError";
  readonly file: string;
  readonly line: number;
  readonly column: number;

  constructor(message: string, place: { readonly file: string; readonly line: number; readonly column: number }) {
    super(`${message} (${place.file}:${place.line}:${place.column})`);
    this.file = place.file;
    this.line = place.line;
    this.column = place.column;
  }
}

/** What code that uses decorators of the older kind imports; `resolveRuntimePart` answers with its source. */
const runtimePrefix = "@oxc-project/runtime/helpers/";
const runtimeParts: Readonly<Record<string, string>> = {
  decorate: `export default function (decorators, target, key, desc) {
    const own = arguments.length < 3 ? target : desc === null ? Object.getOwnPropertyDescriptor(target, key) : desc;
    let result = own;
    for (const decorate of decorators.toReversed()) {
      if (decorate) result = (arguments.length < 3 ? decorate(result) : arguments.length > 3 ? decorate(target, key, result) : decorate(target, key)) || result;
    }
    if (arguments.length > 3 && result) Object.defineProperty(target, key, result);
    return result;
  }`,
  decorateParam: "export default (index, decorate) => (target, key) => decorate(target, key, index);",
  decorateMetadata: `export default (key, value) => {
    if (typeof Reflect.metadata === "function") return Reflect.metadata(key, value);
  };`,
};

/** The URL of a part of the runtime that transformed code imports, or undefined for any other name. */
export function resolveRuntimePart(specifier: string): string | undefined {
  if (!specifier.startsWith(runtimePrefix)) return undefined;
  const source = runtimeParts[specifier.slice(runtimePrefix.length)];
  return source && `data:text/javascript,${encodeURIComponent(source)}`;
}

type TransformSync = typeof import("oxc-transform").transformSync;

let loaded: TransformSync | undefined;

/** Throws TransformError for what is no TypeScript. */
export function transform(file: string, source: string, options: CompilerOptions): string {
  loaded ??= (createRequire(import.meta.url)("oxc-transform") as { readonly transformSync: TransformSync })
    .transformSync;
  const legacy = options.experimentalDecorators === true;
  const first = loaded(file, source, oxcOptions(file, options, true));
  const fault = first.errors.find((error) => error.severity === "Error");
  if (fault !== undefined)
    throw new TransformError(fault.message, { file, ...lineOf(source, fault.labels[0]?.start ?? 0) });
  if (legacy || !("decorate" in first.helpersUsed)) return withMap(first.code, first.map);
  return transformStandardDecorators(file, source, options);
}

function oxcOptions(file: string, options: CompilerOptions, legacy: boolean): object {
  const classic = options.jsx === "react";
  return {
    lang: extname(file).endsWith("sx") ? "tsx" : "ts",
    sourceType: "module",
    sourcemap: true,
    target: "esnext",
    assumptions: { setPublicClassFields: options.useDefineForClassFields === false },
    decorator: { legacy, emitDecoratorMetadata: options.emitDecoratorMetadata === true },
    typescript: {
      onlyRemoveTypeImports: options.verbatimModuleSyntax === true,
      removeClassFieldsWithoutInitializer: options.useDefineForClassFields === false,
    },
    jsx: {
      runtime: classic ? "classic" : "automatic",
      ...(options.jsxImportSource === undefined ? {} : { importSource: options.jsxImportSource }),
      ...(options.jsxFactory === undefined ? {} : { pragma: options.jsxFactory }),
      ...(options.jsxFragmentFactory === undefined ? {} : { pragmaFrag: options.jsxFragmentFactory }),
    },
  };
}

interface TypeScript {
  readonly transpileModule?: (
    source: string,
    options: { readonly compilerOptions: object; readonly fileName: string },
  ) => { readonly outputText: string; readonly sourceMapText?: string };
}

/** Decorators of the standard's kind are lowered by the project's own TypeScript: the transformer knows the older kind only. */
function transformStandardDecorators(file: string, source: string, options: CompilerOptions): string {
  let typescript: TypeScript | undefined;
  try {
    typescript = createRequire(file)("typescript") as TypeScript;
  } catch {
    // Not installed; said below.
  }
  if (typescript?.transpileModule === undefined) {
    const place = { file, ...lineOf(source, source.indexOf("@")) };
    throw new TransformError(
      'Decorators need "experimentalDecorators": true in tsconfig.json, or the package typescript (before 7) in the project',
      place,
    );
  }
  const compilerOptions = { ...options, target: "es2022", module: "esnext", sourceMap: true, inlineSources: true };
  const target = 9; // ScriptTarget.ES2022
  const module = 99; // ModuleKind.ESNext
  const jsx = options.jsx === "react" ? 2 : 4; // JsxEmit.React, JsxEmit.ReactJSX
  const result = typescript.transpileModule(source, {
    compilerOptions: { ...compilerOptions, target, module, jsx },
    fileName: file,
  });
  const map = { ...(JSON.parse(result.sourceMapText ?? "{}") as object), sources: [file] };
  return withMap(result.outputText.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n"), map);
}

function withMap(code: string, map: object | undefined): string {
  if (map === undefined) return code;
  return `${code}\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(JSON.stringify(map)).toString("base64")}\n`;
}

function lineOf(source: string, offset: number): { readonly line: number; readonly column: number } {
  const before = source.slice(0, Math.max(0, offset)).split("\n");
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}
