// The process that loads user code to compile it. Told what to do on standard input, it answers on descriptor 3, so that
// nothing that user code prints can be taken for the answer. Before it, a line for each file that it begins to load.

import { enableCompileCache } from "node:module";
import { Socket } from "node:net";
import { canonicalText } from "@holdfast/protocol";
import { loadedFiles, registerModuleHook } from "@holdfast/sdk/module-hook";
import { type CompileAnswer, type CompileRequest, compileRequestSchema } from "./answer.ts";
import { load, loadProblem, messageOf, onLoading } from "./load.ts";
import { readDefinitions } from "./read-definitions.ts";
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
onLoading((file) => {
  loading = file;
});
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
  else give({ kind: "definitions", manifests: [], schedules: [], loaded: loadedFiles(), problems });
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

function withStrays(read: CompileAnswer, file: string): CompileAnswer {
  if (strays.length === 0) return read;
  const problems = [...read.problems, ...strays.map((error) => loadProblem(file, error))];
  return read.kind === "config"
    ? { ...read, config: null, problems }
    : { ...read, manifests: [], schedules: [], problems };
}
