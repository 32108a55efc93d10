import { relative } from "node:path";
import type { Manifest, Problem, ScheduleSpec } from "@holdfast/protocol";
import { nearestName } from "@holdfast/protocol";
import { parseYaml, type YamlNode } from "./document.ts";
import { readText } from "./read-text.ts";
import { compileWorkflowFile, type FileCompiling, modulesOf, type WorkflowFile } from "./workflow-file.ts";

export interface ReadFiles {
  readonly workflows: readonly WorkflowFile[];
  /** TypeScript modules that their tasks name, relative to the root. */
  readonly modules: readonly string[];
  readonly problems: readonly Problem[];
}

/**
 * Reads workflow files. Those that were not named one by one, but found by a glob, may be other people's YAML: without
 * `tasks`, or something like it, they are left alone.
 */
export async function readWorkflowFiles(
  files: readonly string[],
  { root, named }: { readonly root: string; readonly named: ReadonlySet<string> },
): Promise<ReadFiles> {
  const workflows: WorkflowFile[] = [];
  const problems: Problem[] = [];
  const modules = new Set<string>();
  for (const path of files) {
    const read = readText(path);
    if ("problem" in read) {
      problems.push(read.problem);
      continue;
    }
    const { tree, problems: found } = parseYaml(read.text, path);
    if (!named.has(path) && (tree === undefined ? !/^\s*["']?tasks\b/m.test(read.text) : !isWorkflow(tree))) continue;
    problems.push(...found);
    if (tree === undefined && found.length === 0) problems.push(empty(path));
    if (tree === undefined) continue;
    workflows.push({ path, tree });
    for (const module of await modulesOf({ path, tree }, root)) modules.add(module);
  }
  return { workflows, modules: [...modules], problems };
}

function isWorkflow(tree: YamlNode): boolean {
  if (tree.kind !== "map") return false;
  const nearly = [...tree.entries.keys()].some((key) => nearestName(key, ["tasks"]) !== undefined);
  return tree.entries.has("tasks") || (tree.entries.has("name") && nearly);
}

function empty(file: string): Problem {
  return { file, line: 1, message: "The file is empty.", hint: "A workflow has a name and tasks." };
}

export interface CompilingFiles extends FileCompiling {
  /** Ids that TypeScript has taken, and the modules that have them. */
  readonly taken: ReadonlyMap<string, string>;
}

export interface CompiledFiles {
  readonly manifests: Manifest[];
  readonly schedules: ScheduleSpec[];
  readonly problems: Problem[];
}

/** Compiles what was read. */
export async function compileWorkflowFiles(
  workflows: readonly WorkflowFile[],
  compiling: CompilingFiles,
): Promise<CompiledFiles> {
  const manifests: Manifest[] = [];
  const schedules: ScheduleSpec[] = [];
  const problems: Problem[] = [];
  const taken = new Map(compiling.taken);
  for (const workflow of workflows) {
    const compiled = await compileWorkflowFile(workflow, compiling);
    for (const [id, { line, column }] of compiled.places) {
      const other = taken.get(id);
      taken.set(id, relative(compiling.root, workflow.path));
      if (other === undefined) continue;
      const message = `The id "${id}" is taken by a definition of ${other}.`;
      problems.push({ file: workflow.path, line, column, message, hint: "Ids are unique in a project: rename one." });
    }
    manifests.push(...compiled.manifests);
    schedules.push(...compiled.schedules);
    problems.push(...compiled.problems);
  }
  return { manifests, schedules, problems };
}
