import type { Problem } from "@holdfast/protocol";
import {
  type AssetSpec,
  type DefinitionSpec,
  defaultQueue,
  defaultRetry,
  type JsonObject,
  limits,
  type Manifest,
  type ScheduleSpec,
  type Source,
  type TaskSpec,
  type WorkflowSpec,
} from "@holdfast/protocol";
import { addAssets, assetIds, assetSchemas, assetSpec, assetsOf, checkUris } from "./asset-spec.ts";
import type { InspectExpression } from "./binding.ts";
import { readCleanUp } from "./clean-up.ts";
import { eventsDefect, readStartOn } from "./consuming.ts";
import type { DefinitionData, TaskData, WorkflowData } from "./definition.ts";
import { type LimitSpecs, readLimits } from "./definition-key.ts";
import { type Callee, Graph } from "./graph.ts";
import { readJsonSchema, type SchemaReading } from "./json-schema.ts";
import { OptionReader } from "./options.ts";
import { ProblemList } from "./problem-list.ts";
import { ReferenceMisuse } from "./reference.ts";
import { type InspectTiming, readSchedules } from "./schedule-spec.ts";
import { type Shape, schemaShape, unknownShape } from "./shape.ts";
import { positionInStack } from "./source-position.ts";
import { isStandardSchema, type StandardSchema } from "./standard-schema.ts";
import { readStates, type StateSpecs } from "./state-spec.ts";

/** A definition and where it is exported. */
export interface ExportedDefinition {
  readonly data: DefinitionData;
  readonly source: Source;
  /** It may be used by the others, but gets no manifest of its own. */
  readonly imported?: boolean;
}

export interface CompiledDefinitions {
  /** One for each exported task and workflow, in order of their ids; empty when there are problems. */
  readonly manifests: readonly Manifest[];
  /** When they start by themselves, in order of their ids. */
  readonly schedules: readonly ScheduleSpec[];
  /** Every exported asset. */
  readonly assets: readonly AssetSpec[];
  /** Every mistake that was found. */
  readonly problems: readonly Problem[];
}

/** What parsers say that the SDK does not carry. */
export interface Inspections {
  readonly expression: InspectExpression;
  readonly timing: InspectTiming;
}

/** Compiles exported definitions to manifests. User code that runs here: the builders, once each, and the schemas' own. */
export async function compileDefinitions(
  exported: readonly ExportedDefinition[],
  inspect: Inspections,
): Promise<CompiledDefinitions> {
  const compiler = new Compiler(exported, inspect);
  await compiler.readSchemas();
  return compiler.compile();
}

interface Compiled {
  readonly spec: DefinitionSpec;
  readonly output: Shape;
  readonly uses: ReadonlySet<DefinitionData>;
  readonly depth: number;
}

class Compiler {
  readonly #problems = new ProblemList();
  readonly #sources = new Map<DefinitionData, Source>();
  readonly #roots = new Set<DefinitionData>();
  readonly #schemas = new Map<StandardSchema, Partial<Record<"input" | "output", SchemaReading>>>();
  readonly #states = new Map<DefinitionData, StateSpecs>();
  readonly #compiled = new Map<DefinitionData, Compiled>();
  readonly #open: DefinitionData[] = [];
  readonly #inspect: Inspections;

  constructor(exported: readonly ExportedDefinition[], inspect: Inspections) {
    this.#inspect = inspect;
    const byId = new Map<string, DefinitionData>();
    for (const { data, source, imported } of exported) {
      if (data.kind !== "asset" && imported !== true) this.#roots.add(data);
      if (this.#sources.has(data)) continue;
      this.#sources.set(data, source);
      this.#problems.found.push(...data.problems);
      const key = `${data.kind === "asset" ? "asset" : "definition"}/${data.id}`;
      const first = byId.get(key);
      if (first === undefined) byId.set(key, data);
      else if (data.id !== "") this.#addDuplicate(data, first);
    }
  }

  async readSchemas(): Promise<void> {
    for (const data of this.#sources.keys()) {
      if (data.kind === "task") {
        await this.#readSchema(data, "input", "input");
        await this.#readSchema(data, "output", "output");
        this.#states.set(data, await readStates(data.options));
      } else if (data.kind === "workflow") await this.#readSchema(data, "params", "input");
      for (const asset of data.kind === "asset" ? [data] : assetsOf(data)) {
        for (const name of assetSchemas) await this.#readSchema(asset, name, "output");
      }
    }
  }

  compile(): CompiledDefinitions {
    const roots = [...this.#roots];
    for (const data of roots) this.#compile(data);
    const schedules = roots.flatMap((data) => this.#schedulesOf(data));
    checkUris(new Set([...this.#sources.keys()].flatMap((data) => [data, ...assetsOf(data)])), this.#problems);
    const problems = this.#problems.found;
    if (problems.length > 0) return { manifests: [], schedules: [], assets: [], problems };
    const assets = [...this.#sources.keys()]
      .filter(({ kind }) => kind === "asset")
      .map((data) => this.#assetSpec(data));
    const manifests = roots.map((data) => this.#manifest(data));
    manifests.sort((a, b) => (a.root < b.root ? -1 : 1));
    schedules.sort((a, b) => (a.id < b.id ? -1 : 1));
    const made = problems.length > 0 ? { manifests: [], schedules: [] } : { manifests, schedules };
    return { ...made, assets, problems };
  }

  #schedulesOf(data: DefinitionData): ScheduleSpec[] {
    if (data.kind === "asset") return [];
    const schema = data.kind === "task" ? data.options.input : data.options.params;
    const { specs, reader } = readSchedules(data.options.schedule, {
      definition: data.id,
      what: `${data.kind} "${data.id}"`,
      at: data.position,
      input: this.#json(schema, "input"),
      inspectTiming: this.#inspect.timing,
    });
    this.#problems.found.push(...reader.problems.found);
    return specs;
  }

  #addDuplicate(data: DefinitionData, first: DefinitionData): void {
    const where =
      first.position === undefined ? "" : ` (${baseName(first.position.file)}, line ${first.position.line})`;
    this.#problems.add(
      data.position,
      `${data.kind} "${data.id}": the ${first.kind} "${first.id}" has the same id${where}.`,
      "Ids are unique in a project: rename one.",
    );
  }

  async #readSchema(
    data: DefinitionData,
    option: "input" | "output" | "params" | "watermark" | "event",
    side: "input" | "output",
  ): Promise<void> {
    const schema = schemaOption(data, option);
    if (schema === undefined) return;
    const readings = this.#schemas.get(schema) ?? {};
    this.#schemas.set(schema, readings);
    const reading = readings[side] ?? (await this.#tryRead(data, option, schema, side));
    readings[side] = reading;
    for (const defect of reading.defects) {
      this.#problems.add(
        data.position,
        `${data.kind} "${data.id}": in "${option}" ${defect}.`,
        "Values cross processes as JSON: use types that JSON has.",
      );
    }
    if (option === "params" && reading.unsteady.length > 0) {
      this.#problems.add(
        data.position,
        `workflow "${data.id}": in "params" the default of ${reading.unsteady[0]} is another value each time.`,
        "Parameters are bound without running code: let the caller pass it, or give the default to the task that uses it.",
      );
    }
    if (option === "params" && reading.transforms.length > 0) {
      const hint = "Parameters are bound without running code: convert them in the task that uses them.";
      this.#problems.add(
        data.position,
        `workflow "${data.id}": in "params" ${reading.transforms[0]} is transformed or coerced.`,
        hint,
      );
    }
  }

  async #tryRead(
    data: DefinitionData,
    option: string,
    schema: StandardSchema,
    side: "input" | "output",
  ): Promise<SchemaReading> {
    try {
      return await readJsonSchema(schema, side);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#problems.add(
        data.position,
        `${data.kind} "${data.id}": the schema "${option}" has no JSON Schema: ${why}.`,
        "Use types that JSON has.",
      );
      return { jsonSchema: undefined, defects: [], transforms: [], unsteady: [], drops: false };
    }
  }

  #json(schema: StandardSchema | undefined, side: "input" | "output"): JsonObject | undefined {
    return schema === undefined ? undefined : this.#schemas.get(schema)?.[side]?.jsonSchema;
  }

  /** True where a schema drops fields that it does not know. */
  #drops(schema: StandardSchema | undefined): true | undefined {
    const reading = schema === undefined ? undefined : this.#schemas.get(schema)?.input;
    return reading?.drops === true ? true : undefined;
  }

  #compile(data: DefinitionData): Compiled | undefined {
    const done = this.#compiled.get(data);
    if (done !== undefined || data.kind === "asset") return done;
    const source = this.#sources.get(data) ?? { module: "?", export: "?" };
    const compiled = data.kind === "task" ? this.#compileTask(data, source) : this.#compileWorkflow(data, source);
    this.#compiled.set(data, compiled);
    return compiled;
  }

  #compileTask(data: TaskData & DefinitionData, source: Source): Compiled {
    const read = new OptionReader(data.options, `task "${data.id}"`, data.position);
    const { input, output, description } = data.options;
    const outputSchema = this.#json(output, "output");
    const spec: TaskSpec = {
      kind: "task",
      id: data.id,
      ...present({ description }),
      executor: "typescript",
      source,
      ...present({ input: this.#json(input, "input"), output: outputSchema }),
      queue: read.text("queue") ?? defaultQueue,
      ...this.#limits(data, this.#json(input, "input")),
      priority: read.number("priority", { min: -1_000, max: 1_000, integer: true }) ?? 0,
      retry: read.retry() ?? defaultRetry,
      ...present({ timeoutMs: read.duration("timeout"), expiresAfterMs: read.duration("expiresAfter") }),
      placement: read.oneOf("placement", ["process", "inline"]) ?? "process",
      isolation: read.oneOf("isolation", ["pool", "fresh"]) ?? "pool",
      ...present({
        memoryBytes: read.memoryBytes("memory"),
        env: read.environment("env"),
        onCancel: readCleanUp(read),
        ...this.#states.get(data),
      }),
      reads: assetIds(data.options.reads),
      writes: assetIds(data.options.writes),
      ...this.#startOn(data, this.#json(input, "input")),
    };
    return { spec, output: schemaShape(outputSchema), uses: new Set(), depth: 1 };
  }

  #compileWorkflow(data: WorkflowData & DefinitionData, source: Source): Compiled {
    const params = this.#json(data.options.params, "input");
    let depth = 1;
    const graph = new Graph({
      workflow: data,
      params,
      inspectExpression: this.#inspect.expression,
      calleeOf: (callee, at, problems) => {
        if (this.#open.includes(callee)) {
          const path = [...this.#open.slice(this.#open.indexOf(callee)), callee].map((item) => item.id).join(" → ");
          problems.add(
            at,
            `workflow "${data.id}" calls itself: ${path}.`,
            "A graph has no circles: map over a list instead.",
          );
          return { input: undefined, output: unknownShape };
        }
        if (!this.#sources.has(callee)) problems.add(at, notExported(data, callee), exportHint(callee));
        const compiled = this.#compile(callee);
        depth = Math.max(depth, 1 + (compiled?.depth ?? 0));
        return this.#callee(callee, compiled);
      },
    });
    this.#open.push(data);
    const output = this.#build(data, graph);
    this.#open.pop();
    this.#problems.found.push(...graph.problems.found);
    if (depth > limits.treeDepth) {
      this.#problems.add(
        data.position,
        `workflow "${data.id}" nests ${depth} deep.`,
        `At most ${limits.treeDepth} levels are allowed.`,
      );
    }
    const read = new OptionReader(data.options, `workflow "${data.id}"`, data.position);
    const spec: WorkflowSpec = {
      kind: "workflow",
      id: data.id,
      ...present({ description: data.options.description }),
      source,
      ...present({ input: params, onlyKnown: this.#drops(data.options.params) }),
      priority: read.number("priority", { min: -1_000, max: 1_000, integer: true }) ?? 0,
      ...this.#limits(data, params),
      ...present({ expiresAfterMs: read.duration("expiresAfter") }),
      ...this.#startOn(data, params),
      nodes: graph.nodes,
      output,
    };
    return { spec, output: graph.shapeOf(output), uses: graph.used, depth };
  }

  #limits(data: (TaskData | WorkflowData) & DefinitionData, input: JsonObject | undefined): LimitSpecs {
    const { problems, ...read } = readLimits(data, input, this.#inspect.expression);
    this.#problems.found.push(...problems);
    return read;
  }

  #startOn(data: (TaskData | WorkflowData) & DefinitionData, input: JsonObject | undefined) {
    const startOn = readStartOn(data);
    const defect = startOn && eventsDefect(input);
    if (defect !== undefined)
      this.#problems.add(data.position, `${data.kind} "${data.id}": ${defect.wrong}.`, defect.hint);
    return present({ startOn });
  }

  #callee(callee: DefinitionData, compiled: Compiled | undefined): Callee {
    const schema =
      callee.kind === "task" ? callee.options.input : callee.kind === "workflow" ? callee.options.params : undefined;
    return { input: this.#json(schema, "input"), output: compiled?.output ?? unknownShape };
  }

  #build(data: WorkflowData & DefinitionData, graph: Graph): WorkflowSpec["output"] {
    if (typeof data.builder !== "function") return { const: null };
    try {
      const returned: unknown = data.builder(graph.surface() as never);
      if (!(returned instanceof Promise)) return graph.output(returned);
      returned.catch(() => undefined);
      graph.problems.add(
        data.position,
        `workflow "${data.id}": its builder is asynchronous.`,
        "Remove async: the builder only describes the graph.",
      );
    } catch (error) {
      const at = (error instanceof Error ? positionInStack(error.stack ?? "") : undefined) ?? data.position;
      if (error instanceof ReferenceMisuse)
        graph.problems.add(at, `workflow "${data.id}": ${error.message}`, error.hint);
      else {
        const hint = "The builder runs when the project is compiled, on references instead of values.";
        graph.problems.add(at, `workflow "${data.id}": its builder threw ${String(error)}`, hint);
      }
    }
    return { const: null };
  }

  #manifest(root: DefinitionData): Manifest {
    const definitions: Record<string, DefinitionSpec> = {};
    const assets: Record<string, AssetSpec> = {};
    const open = [root];
    for (let data = open.pop(); data !== undefined; data = open.pop()) {
      const compiled = this.#compiled.get(data);
      if (compiled === undefined || Object.hasOwn(definitions, data.id)) continue;
      definitions[data.id] = compiled.spec;
      open.push(...compiled.uses);
      addAssets(assets, data, { problems: this.#problems, specOf: (asset) => this.#assetSpec(asset) });
    }
    return { format: 1, root: root.id, definitions, assets };
  }

  #assetSpec(data: DefinitionData): AssetSpec {
    if (data.kind !== "asset") throw new Error(`${data.id} is no asset`);
    return assetSpec(data, (schema) => this.#json(schema, "output"));
  }
}

type Present<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the properties that are undefined. */
function present<T extends object>(fields: T): Present<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>;
}

function schemaOption(data: DefinitionData, option: string): StandardSchema | undefined {
  const value = (data.options as unknown as Readonly<Record<string, unknown>> | undefined)?.[option];
  return isStandardSchema(value) ? value : undefined;
}

function notExported(data: DefinitionData, callee: DefinitionData): string {
  return `workflow "${data.id}" uses the ${callee.kind} "${callee.id}", which is not exported.`;
}

function exportHint(callee: DefinitionData): string {
  const at = callee.position;
  const where = at === undefined ? "it" : `the one on line ${at.line} of ${baseName(at.file)}`;
  return `Write "export const … = ${callee.kind}(…)" for ${where}, in a file that "include" names.`;
}

function baseName(file: string): string {
  return file.slice(Math.max(file.lastIndexOf("/"), file.lastIndexOf("\\")) + 1);
}
