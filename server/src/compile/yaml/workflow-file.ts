import { relative, sep } from "node:path";
import {
  type AssetSpec,
  type Binding,
  type DefinitionSpec,
  limits,
  type Manifest,
  type Problem,
  type ScheduleSpec,
  type WorkflowSpec,
} from "@holdfast/protocol";
import type { InspectExpression } from "@holdfast/sdk/definitions";
import { type Known, readBinding, type Scope } from "./bindings.ts";
import { type Callee, calleeOf } from "./callee.ts";
import type { MapNode, Place, YamlEntry, YamlNode } from "./document.ts";
import { FileProblems, readFields, readMap } from "./fields.ts";
import { defaultsForm, laterKeys, workflowForm } from "./form.ts";
import { inOrder } from "./graph.ts";
import { compileNode } from "./node.ts";
import { type Params, readParams } from "./params.ts";
import type { PythonStates } from "./python-states.ts";
import { readSchedules } from "./schedule.ts";
import { readStartOn } from "./start-on.ts";
import { readTask, type TaskReading, type YamlTask } from "./task.ts";
import { TypeReader } from "./type-expression.ts";
import type { FindExport } from "./typescript-exports.ts";

export interface WorkflowFile {
  /** Absolute. */
  readonly path: string;
  readonly tree: YamlNode;
}

export interface FileCompiling {
  /** Absolute: the project's root. */
  readonly root: string;
  readonly findExport: FindExport;
  readonly findAsset: (id: string) => AssetSpec | undefined;
  readonly inspectExpression: InspectExpression;
  /** Names of the configuration's connections; undefined where another's configuration holds. */
  readonly connections: readonly string[] | undefined;
  /** Absent: what Python tasks declare of their state is not asked for. */
  readonly pythonStates?: PythonStates;
}

export interface CompiledFile {
  /** The workflow's and one for each task that the file itself defines; none after a mistake. */
  readonly manifests: readonly Manifest[];
  /** When the workflow starts by itself. */
  readonly schedules: readonly ScheduleSpec[];
  readonly problems: readonly Problem[];
  /** Where the file gives each id that it makes. */
  readonly places: ReadonlyMap<string, Place>;
}

/** The modules of TypeScript that a file's tasks name, relative to the root: they are to be loaded before it is compiled. */
export async function modulesOf(file: WorkflowFile, root: string): Promise<string[]> {
  const asked = new Set<string>();
  const findExport: FindExport = (module) => {
    asked.add(module);
    return { kind: "broken" };
  };
  const inspectExpression: InspectExpression = () => ({ tasks: [], usesItem: false });
  const silent = { findExport, findAsset: () => undefined, inspectExpression, connections: undefined };
  await compileWorkflowFile(file, { root, ...silent });
  return [...asked];
}

/** Compiles a workflow's file. Every mistake in it is told. */
export async function compileWorkflowFile(
  { path, tree }: WorkflowFile,
  compiling: FileCompiling,
): Promise<CompiledFile> {
  const problems = new FileProblems(path);
  const top = readFields(tree, {
    form: workflowForm,
    what: "the workflow",
    problems,
    elsewhere: ["params", "types", "defaults", "schedule", "start_on", "output", "tasks"],
    later: laterKeys.workflow,
  });
  const mapOf = (key: string): MapNode | undefined => {
    const entry = top?.entries.get(key);
    return entry && readMap(entry.node, { what: `"${key}"`, problems }, "a mapping of names");
  };
  const types = new TypeReader(mapOf("types"), problems);
  const startOnEntry = top?.entries.get("start_on");
  const params = await readParams(mapOf("params"), { types, problems, takesEvents: startOnEntry !== undefined });
  const defaultsEntry = top?.entries.get("defaults");
  const defaults =
    defaultsEntry &&
    readFields(defaultsEntry.node, {
      form: defaultsForm,
      what: '"defaults"',
      problems,
      elsewhere: ["executor", "retry"],
      later: laterKeys.task,
    });
  const { root, connections } = compiling;
  const reading: TaskReading = { root, workflowFile: path, connections, types, defaults, problems };
  const taskMap = mapOf("tasks");
  const tasks = [...(taskMap?.entries ?? [])].map(([name, entry]) => readTask(name, entry, reading));
  if (taskMap !== undefined && tasks.length === 0)
    problems.add(taskMap, 'the workflow has no "tasks"', "It needs at least one.");
  if (tasks.length > limits.nodesPerWorkflow) {
    const message = `the workflow has ${tasks.length} tasks; at most ${limits.nodesPerWorkflow} are allowed`;
    problems.add(taskMap ?? tree, message, "Use foreach for many of the same.");
  }
  const id = top?.values.name ?? "";
  checkId(id, top?.entries.get("name"), problems);
  const graph = await compileGraph(inOrder(tasks, problems), { id, params, reading, compiling });
  const output = readOutput(top?.entries.get("output"), graph.scope);
  const { input } = params;
  const startOn = readStartOn(startOnEntry, { input, problems });
  const schedules = readSchedules(top?.entries.get("schedule"), { definition: id, input, problems });
  for (const task of tasks) {
    if (id.length + 1 + task.name.length <= limits.idCharacters || id.length > limits.idCharacters) continue;
    const message = `${task.what} would have an id of ${id.length + 1 + task.name.length} characters, "${id}.${task.name}"`;
    problems.add(task.at, message, `At most ${limits.idCharacters} are allowed: shorten one of the two names.`);
  }
  const made = tasks.flatMap((task) => {
    const callee = graph.callees.get(task);
    return callee?.isOwn === true ? [[`${id}.${task.name}`, task.at] as const] : [];
  });
  const places = new Map([[id, top?.entries.get("name")?.node ?? tree], ...made]);
  const told = { problems: problems.found, places };
  if (problems.found.length > 0) return { manifests: [], schedules: [], ...told };
  const spec: WorkflowSpec = {
    kind: "workflow",
    id,
    ...(top?.values.description === undefined ? {} : { description: top.values.description }),
    source: { module: relative(compiling.root, path).split(sep).join("/"), export: id },
    ...(params.input === undefined ? {} : { input: params.input }),
    priority: 0,
    ...(startOn === undefined ? {} : { startOn }),
    nodes: graph.nodes,
    output,
  };
  const callees = [...graph.callees.values()];
  const own = callees.flatMap((callee) =>
    callee.isOwn && callee.spec !== undefined ? [manifestOf(callee.spec, [usedBy(callee, compiling)])] : [],
  );
  const used = callees.map((callee) => usedBy(callee, compiling));
  const consumed = { definitions: {}, assets: assetsNamed(startOn?.assets ?? [], compiling) };
  return { manifests: [manifestOf(spec, [...used, consumed]), ...own], schedules, ...told };
}

function checkId(id: string, entry: YamlEntry | undefined, problems: FileProblems): void {
  if (entry === undefined) return;
  const longest = limits.idCharacters;
  if (id.length > longest)
    problems.add(entry.node, `the workflow's name has ${id.length} characters`, `At most ${longest} are allowed.`);
  else if (!/^(?!__proto__$)[A-Za-z0-9_][A-Za-z0-9_.\-/]*$/.test(id)) {
    const possible = id
      .trim()
      .replaceAll(/[^A-Za-z0-9_.\-/]+/g, "-")
      .replace(/^[^A-Za-z0-9_]+/, "");
    const hint = `It is the id of its runs: use letters and digits, and _ . - / inside${possible === "" ? "" : `, as in "${possible}"`}.`;
    problems.add(entry.node, `the workflow's name is ${JSON.stringify(id)}`, hint);
  }
}

interface CompiledGraph {
  readonly nodes: WorkflowSpec["nodes"];
  readonly callees: ReadonlyMap<YamlTask, Callee>;
  readonly scope: Scope;
}

interface GraphReading {
  readonly id: string;
  readonly params: Params;
  readonly reading: TaskReading;
  readonly compiling: FileCompiling;
}

async function compileGraph(
  ordered: readonly YamlTask[],
  { id, params, reading, compiling }: GraphReading,
): Promise<CompiledGraph> {
  const { problems } = reading;
  const outputs = new Map<string, Known>();
  const scope: Scope = {
    problems,
    params: params.types,
    paramsSchema: params.input,
    tasks: new Set(ordered.map(({ name }) => name)),
    outputs,
  };
  const nodes: WorkflowSpec["nodes"] = [];
  const callees = new Map<YamlTask, Callee>();
  const needed = new Map(
    ordered.flatMap((task) =>
      task.dependencies.filter(({ name }) => name !== task.name).map(({ name }) => [name, task.name]),
    ),
  );
  const maySkip = new Set<string>();
  for (const task of ordered) {
    const callee = await calleeOf(task, { ...reading, workflow: id, ...foundBy(compiling) });
    const user = needed.get(task.name);
    if (user !== undefined && callee.isOwn && !task.entries.has("output_type")) {
      problems.add(
        task.at,
        `${task.what} has no "output_type", but "${user}" depends on it`,
        "Write output_type: {} when it returns nothing.",
      );
    }
    const rule = task.values.trigger_rule ?? "all_success";
    // With these rules a task also starts when what it waits for has no output.
    const mayBeNull = (upstream: string): boolean =>
      rule === "all_done" || rule === "one_success" || (rule === "none_failed" && maySkip.has(upstream));
    const { inspectExpression } = compiling;
    const { node, output } = compileNode(task, { ...reading, scope, callee, inspectExpression, mayBeNull });
    if (task.values.when !== undefined || task.dependencies.some(({ name }) => maySkip.has(name)))
      maySkip.add(task.name);
    nodes.push(node);
    callees.set(task, callee);
    outputs.set(task.name, output);
  }
  return { nodes, callees, scope };
}

function foundBy({ findExport, pythonStates }: FileCompiling): Pick<FileCompiling, "findExport" | "pythonStates"> {
  return { findExport, ...(pythonStates === undefined ? {} : { pythonStates }) };
}

function readOutput(entry: YamlEntry | undefined, scope: Scope): Binding {
  if (entry === undefined) return { const: null };
  return readBinding(entry.node, { what: '"output"' }, scope)?.binding ?? { const: null };
}

interface Uses {
  readonly definitions: Readonly<Record<string, DefinitionSpec>>;
  readonly assets: Readonly<Record<string, AssetSpec>>;
}
const emptyUses: Uses = { definitions: {}, assets: {} };

function usedBy({ spec, manifest }: Callee, compiling: FileCompiling): Uses {
  if (spec === undefined) return emptyUses;
  if (manifest !== undefined) return manifest;
  const ids = spec.kind === "task" ? [...spec.reads, ...spec.writes] : [];
  return { definitions: { [spec.id]: spec }, assets: assetsNamed(ids, compiling) };
}

/** As TypeScript declares them, or by their ids alone. */
function assetsNamed(ids: readonly string[], { findAsset }: FileCompiling): Uses["assets"] {
  return Object.fromEntries(ids.map((id) => [id, findAsset(id) ?? { id }]));
}

function manifestOf(root: DefinitionSpec, used: readonly Uses[]): Manifest {
  return {
    format: 1,
    root: root.id,
    definitions: Object.assign({}, ...used.map(({ definitions }) => definitions), {
      [root.id]: root,
    }) as Manifest["definitions"],
    assets: Object.assign({}, ...used.map(({ assets }) => assets)) as Manifest["assets"],
  };
}
