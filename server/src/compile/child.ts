// The process that loads user code to compile it. Told what to do on standard input, it answers on descriptor 3, so that
// nothing that user code prints can be taken for the answer. Before it, a line for each file that it begins to load.

import { writeSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { Socket } from "node:net";
import { relative, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { canonicalText, type Problem } from "@holdfast/protocol";
import {
  compileDefinitions,
  definitionData,
  type ExportedDefinition,
  positionInStack,
} from "@holdfast/sdk/definitions";
import { loadedFiles, registerModuleHook } from "@holdfast/sdk/module-hook";
import { type CompileAnswer, type CompileNote, type CompileRequest, compileRequestSchema } from "./answer.ts";
import { inspectExpression } from "./inspect-expression.ts";
import { unfinishedProblem } from "./unfinished.ts";

enableCompileCache();
process.setSourceMapsEnabled(true);
const door = new Socket({ fd: 3, readable: true, writable: true });
// The other end is gone: nobody waits for the answer.
door
  .on("error", () => process.exit(1))
  .on("close", () => process.exit(1))
  .resume()
  // A process in which nothing can happen any more is to notice it.
  .unref();

// What fails beside the loading, such as a promise that nobody awaits, would end this process without an answer.
const strays: unknown[] = [];
process.on("uncaughtException", (error) => strays.push(error));
const request = await readRequest();
let loading = request.kind === "config" ? request.file : (request.files[0] ?? request.root);
let isAnswered = false;
process.once("beforeExit", () => void answerUnfinished());
setTimeout(() => void answerUnfinished(), request.limitMs).unref();
registerModuleHook();
const read = request.kind === "config" ? await readConfig(request) : await readDefinitions(request);
await new Promise((resolve) => setImmediate(resolve));
give(withStrays(read, request.kind === "config" ? request.file : (request.files[0] ?? request.root)));

function give(answer: CompileAnswer): void {
  if (isAnswered) return;
  isAnswered = true;
  // User code may have left timers and connections behind: they are not waited for.
  door.ref().end(JSON.stringify(answer), () => process.exit(0));
}

/** The file that is being loaded waits for something that has not come, or that cannot come any more. */
async function answerUnfinished(): Promise<void> {
  const problems = [await unfinishedProblem(loading, loadedFiles())];
  if (request.kind === "config") give({ kind: "config", config: null, problems });
  else give({ kind: "definitions", manifests: [], loaded: loadedFiles(), problems });
}

async function readRequest(): Promise<CompileRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return compileRequestSchema.parse(JSON.parse(Buffer.concat(chunks).toString("utf8")));
}

async function readConfig({ file }: { readonly file: string }): Promise<CompileAnswer> {
  const loaded = await load(file);
  if (loaded.problem !== undefined) return { kind: "config", config: null, problems: [loaded.problem] };
  const value = loaded.exports.default;
  const refuse = (message: string, hint: string): CompileAnswer => {
    return { kind: "config", config: null, problems: [{ file, line: 1, message, hint }] };
  };
  if (value === undefined)
    return refuse("The config file has no default export.", "Write export default defineConfig({ … }).");
  try {
    return { kind: "config", config: JSON.parse(canonicalText(value)) as null, problems: [] };
  } catch (error) {
    return refuse(
      `The config is not plain JSON: ${messageOf(error)}.`,
      "Use texts, numbers, booleans, lists and objects.",
    );
  }
}

async function readDefinitions(told: CompileRequest & { kind: "definitions" }): Promise<CompileAnswer> {
  const problems: Problem[] = [];
  const exported: FoundDefinition[] = [];
  for (const file of told.files) {
    const loaded = await load(file);
    if (loaded.problem !== undefined) {
      problems.push(loaded.problem);
      continue;
    }
    const found = definitionsIn(told.root, file, loaded.exports);
    exported.push(...found);
    if (found.length === 0 && told.named.includes(file)) problems.push(exportsNothing(file, loaded.exports));
  }
  exported.push(...(await importedDefinitions(told)));
  // A definition that is exported again elsewhere keeps the name of the module that wrote it.
  exported.sort((a, b) => Number(b.home) - Number(a.home));
  const compiled = await compileDefinitions(exported, inspectExpression);
  const manifests = problems.length > 0 ? [] : [...compiled.manifests];
  return { kind: "definitions", manifests, problems: [...problems, ...compiled.problems], loaded: loadedFiles() };
}

type FoundDefinition = ExportedDefinition & { readonly home: boolean };

function definitionsIn(root: string, file: string, exports: Readonly<Record<string, unknown>>): FoundDefinition[] {
  const module = relative(root, file).split(sep).join("/");
  return Object.entries(exports).flatMap(([name, value]) => {
    const data = definitionData(value);
    return data === undefined ? [] : [{ data, source: { module, export: name }, home: data.position?.file === file }];
  });
}

/** What the files import may be used by their workflows, without being asked for itself. */
async function importedDefinitions(told: CompileRequest & { kind: "definitions" }): Promise<FoundDefinition[]> {
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

function exportsNothing(file: string, exports: Readonly<Record<string, unknown>>): Problem {
  const names = Object.keys(exports);
  const message =
    names.length === 0
      ? "The file exports nothing."
      : `The file exports no task or workflow (only ${names.join(", ")}).`;
  return { file, line: 1, message, hint: 'Write "export const name = task({ id: "name" }, …)".' };
}

function withStrays(read: CompileAnswer, file: string): CompileAnswer {
  if (strays.length === 0) return read;
  const problems = [...read.problems, ...strays.map((error) => loadProblem(file, error))];
  return read.kind === "config" ? { ...read, config: null, problems } : { ...read, manifests: [], problems };
}

type Loaded =
  | { readonly exports: Readonly<Record<string, unknown>>; readonly problem?: undefined }
  | { readonly problem: Problem };

async function load(file: string): Promise<Loaded> {
  loading = file;
  const note: CompileNote = { kind: "loading", file };
  // Written at once: the file may never let go of this thread.
  writeSync(3, `${JSON.stringify(note)}\n`);
  try {
    return { exports: (await import(pathToFileURL(file).href)) as Record<string, unknown> };
  } catch (error) {
    return { problem: loadProblem(file, error) };
  }
}

function loadProblem(file: string, error: unknown): Problem {
  if (!(error instanceof Error)) {
    return {
      file,
      line: 1,
      message: `Loading the file threw ${String(error)}.`,
      hint: "Code outside of tasks runs when a file is loaded.",
    };
  }
  const code = "code" in error ? String(error.code) : "";
  const place = placeOf(error) ?? { file, line: 1 };
  const message = `The file cannot be loaded: ${error.name}: ${messageOf(error)}`;
  return { ...place, message, hint: loadHint(code, error) };
}

function placeOf(error: Error): { file: string; line: number; column?: number } | undefined {
  if ("file" in error && "line" in error && typeof error.file === "string" && typeof error.line === "number") {
    return { file: error.file, line: error.line };
  }
  const stack = error.stack ?? "";
  const first = /^(?:file:\/\/)?(\/[^\n]*?):(\d+)\n/.exec(stack);
  if (first !== null && error instanceof SyntaxError)
    return { file: decodeURI(first[1] ?? ""), line: Number(first[2]) };
  return positionInStack(stack);
}

function loadHint(code: string, error: Error): string {
  if (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND")
    return "Install the package, or correct the path of the import.";
  if (error instanceof ReferenceError && error.message.endsWith("before initialization")) {
    return "Do files import each other in a circle? Then one runs before the other is complete: move what both use into a third file.";
  }
  if (error instanceof SyntaxError) return "Correct the syntax, or the name that is imported.";
  return "Code outside of tasks runs when a file is loaded: keep it free of work, and of what only a task may reach.";
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}
