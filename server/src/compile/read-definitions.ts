import { join, relative, sep } from "node:path";
import type { Manifest, Problem } from "@holdfast/protocol";
import {
  type CompiledDefinitions,
  compileDefinitions,
  definitionData,
  type ExportedDefinition,
} from "@holdfast/sdk/definitions";
import { loadedFiles } from "@holdfast/sdk/module-hook";
import { timingDefect } from "../ticks.ts";
import type { CompileAnswer, CompileRequest } from "./answer.ts";
import { inspectExpression } from "./inspect-expression.ts";
import { load } from "./load.ts";
import { PythonStates } from "./yaml/python-states.ts";
import type { FindExport, TypescriptExport } from "./yaml/typescript-exports.ts";

type DefinitionsRequest = CompileRequest & { kind: "definitions" };
type Exports = Readonly<Record<string, unknown>>;

/** Compiles TypeScript first, since the tasks of workflow files may be its. */
export async function readDefinitions(told: DefinitionsRequest): Promise<CompileAnswer> {
  const problems: Problem[] = [];
  const exported: FoundDefinition[] = [];
  const modules = new Map<string, Exports>();
  const isYaml = (file: string): boolean => /\.ya?ml$/.test(file);
  const workflowFiles = told.files.filter(isYaml);
  // Most projects have none: then its parser need not be loaded.
  const yaml = workflowFiles.length === 0 ? undefined : await import("./yaml/compile-files.ts");
  const read = await yaml?.readWorkflowFiles(workflowFiles, { root: told.root, named: new Set(told.named) });
  problems.push(...(read?.problems ?? []));
  const files = told.files.filter((file) => !isYaml(file));
  const used = (read?.modules ?? []).map((module) => join(told.root, module)).filter((file) => !files.includes(file));
  for (const file of [...files, ...used]) {
    const loaded = await load(file);
    if (loaded.problem !== undefined) {
      problems.push(loaded.problem);
      continue;
    }
    modules.set(moduleName(told.root, file), loaded.exports);
    const found = definitionsIn(told.root, file, loaded.exports);
    exported.push(...found);
    if (found.length === 0 && told.named.includes(file)) problems.push(exportsNothing(file, loaded.exports));
  }
  exported.push(...(await importedDefinitions(told)));
  // A definition that is exported again elsewhere keeps the name of the module that wrote it.
  exported.sort((a, b) => Number(b.home) - Number(a.home));
  const compiled = await compileDefinitions(exported, { expression: inspectExpression, timing: timingDefect });
  const pythonStates = new PythonStates(told);
  const workflows = await yaml?.compileWorkflowFiles(read?.workflows ?? [], {
    root: told.root,
    findExport: exportFinder(modules, compiled),
    findAsset: (id) => compiled.assets.find((asset) => asset.id === id),
    inspectExpression,
    connections: told.connections,
    pythonStates,
    taken: new Map(compiled.manifests.map((manifest) => [manifest.root, moduleOf(manifest)])),
  });
  problems.push(...compiled.problems, ...(workflows?.problems ?? []));
  // What only a workflow's file uses stands in its manifest, and gets none of its own.
  const asked = new Set(files.map((file) => moduleName(told.root, file)));
  const manifests = [
    ...compiled.manifests.filter((manifest) => asked.has(moduleOf(manifest))),
    ...(workflows?.manifests ?? []),
  ];
  manifests.sort((a, b) => (a.root < b.root ? -1 : 1));
  const roots = new Set(manifests.map(({ root }) => root));
  const schedules = [...compiled.schedules, ...(workflows?.schedules ?? [])].filter((one) => roots.has(one.definition));
  return {
    kind: "definitions",
    ...(problems.length > 0 ? { manifests: [], schedules: [] } : { manifests, schedules }),
    problems,
    loaded: [...loadedFiles(), ...pythonStates.files],
  };
}

function moduleOf(manifest: Manifest): string {
  const source = manifest.definitions[manifest.root]?.source;
  return source !== undefined && "module" in source ? source.module : "";
}

function moduleName(root: string, file: string): string {
  return relative(root, file).split(sep).join("/");
}

/** Looks exports up among the loaded modules. */
function exportFinder(modules: ReadonlyMap<string, Exports>, { manifests }: CompiledDefinitions): FindExport {
  return (module, name): TypescriptExport => {
    const exports = modules.get(module);
    if (exports === undefined) return { kind: "broken" };
    if (!Object.hasOwn(exports, name)) return { kind: "missing", known: Object.keys(exports) };
    const value = exports[name];
    const data = definitionData(value);
    if (data === undefined) {
      return typeof value === "function" ? { kind: "function" } : { kind: "other", is: `a ${typeof value}` };
    }
    if (data.kind === "asset") return { kind: "other", is: `the asset "${data.id}"` };
    const manifest = manifests.find(({ root }) => root === data.id);
    const spec = manifest?.definitions[data.id];
    return manifest === undefined || spec === undefined ? { kind: "broken" } : { kind: "definition", spec, manifest };
  };
}

type FoundDefinition = ExportedDefinition & { readonly home: boolean };

function definitionsIn(root: string, file: string, exports: Exports): FoundDefinition[] {
  const module = moduleName(root, file);
  return Object.entries(exports).flatMap(([name, value]) => {
    const data = definitionData(value);
    return data === undefined ? [] : [{ data, source: { module, export: name }, home: data.position?.file === file }];
  });
}

/** What the files import may be used by their workflows, without being asked for itself. */
async function importedDefinitions(told: DefinitionsRequest): Promise<FoundDefinition[]> {
  const found: FoundDefinition[] = [];
  for (const file of loadedFiles()) {
    if (told.files.includes(file) || file.endsWith(".json")) continue;
    const loaded = await load(file);
    // A file that cannot be loaded is told of by the one that imports it.
    if (loaded.problem !== undefined) continue;
    found.push(...definitionsIn(told.root, file, loaded.exports).map((item) => ({ ...item, imported: true })));
  }
  return found;
}

function exportsNothing(file: string, exports: Exports): Problem {
  const names = Object.keys(exports);
  const message =
    names.length === 0
      ? "The file exports nothing."
      : `The file exports no task or workflow (only ${names.join(", ")}).`;
  return { file, line: 1, message, hint: 'Write "export const name = task({ id: "name" }, …)".' };
}
