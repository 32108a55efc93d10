import {
  AppError,
  type Applied,
  type DefinitionSpec,
  type DefinitionView,
  isAppError,
  type Json,
  limits,
  type Manifest,
  manifestSchema,
  nearestName,
  type TaskSpec,
  utf8Bytes,
} from "@holdfast/protocol";
import { canonicalHash } from "../canonical.ts";
import type { UriConflict } from "../core/index.ts";
import type { DefinitionRow, ManifestRow, Store } from "../store/store.ts";
import { givenSchema } from "./closed-schema.ts";
import { declareDefinitions } from "./concurrency.ts";
import { Evaluator } from "./evaluation/evaluator.ts";
import { fittingInput } from "./evaluation/programs.ts";
import type { FitOptions, Schema } from "./schema-fit.ts";

const keptManifests = 1_000;

/** Definitions and the manifests they stand for. Manifests never change, so they are kept in memory once read. */
export class Definitions {
  readonly #store: Store;
  readonly #namespace: string;
  readonly #manifests = new Map<string, Manifest>();
  /** The last known current manifest of each definition, by id. */
  readonly #current = new Map<string, string>();
  readonly #reads = new Map<string, Promise<Manifest>>();
  /** Where their schemas and expressions are evaluated. */
  readonly evaluator: Evaluator;

  readonly #missingHint: string;

  /** `missingHint`: what to do where a definition is not there and none is called nearly so. */
  constructor(parts: { store: Store; namespace: string; evaluator?: Evaluator; missingHint?: string | undefined }) {
    const { store, namespace, evaluator, missingHint = "Apply the file that exports it: holdfast apply PATH." } = parts;
    this.#missingHint = missingHint;
    this.evaluator = evaluator ?? new Evaluator();
    this.#store = store;
    this.#namespace = namespace;
  }

  /** Makes these manifests the current ones. Running runs keep theirs. Throws `invalid_definition`, `too_large`. */
  async apply(manifests: readonly Manifest[]): Promise<Applied> {
    const rows = manifests.map(manifestRow);
    for (const manifest of manifests) await this.evaluator.check(manifest);
    // First, so that no run makes its limit itself: others that need it would wait for that transaction.
    await declareDefinitions(this.#store, this.#namespace, manifests);
    const { changed, conflict } = await this.#store.applyManifests({ namespace: this.#namespace, manifests: rows });
    if (conflict !== undefined) throw uriTaken(conflict);
    const ids = new Set(rows.map((row) => row.id));
    const all = await this.list();
    const schedules = { declared: [], withdrawn: [] };
    return { definitions: all.filter((view) => ids.has(view.id)), changed, schedules };
  }

  async list(): Promise<DefinitionView[]> {
    const rows = await this.#store.listDefinitions({ namespace: this.#namespace });
    return rows.map((row) => ({
      id: row.id,
      kind: row.kind,
      manifestHash: row.manifestHash,
      appliedAt: new Date(row.appliedAt).toISOString(),
    }));
  }

  /** The current row of a definition. Throws `not_found`. */
  async get(id: string): Promise<DefinitionRow> {
    const row = await this.#store.findDefinition({ namespace: this.#namespace, id });
    if (row !== undefined) return row;
    const rows = await this.#store.listDefinitions({ namespace: this.#namespace });
    const near = nearestName(id, rows.map((known) => known.id)); // biome-ignore format: one line
    const hint = near === undefined ? this.#missingHint : `Did you mean "${near}"?`;
    throw new AppError("not_found", `There is no definition "${id}".`, { hint });
  }

  /**
   * The hash of a definition's current manifest. What is remembered (`isFresh` false) may have been replaced by now: let the
   * store compare it, and `forget` it when it was. Throws `not_found`.
   */
  async current(id: string): Promise<{ manifestHash: string; isFresh: boolean }> {
    const known = this.#current.get(id);
    if (known !== undefined) return { manifestHash: known, isFresh: false };
    const { manifestHash } = await this.get(id);
    if (this.#current.size >= keptManifests) this.#current.clear();
    this.#current.set(id, manifestHash);
    return { manifestHash, isFresh: true };
  }

  /** The next `current` of this definition reads it again. */
  forget(id: string): void {
    this.#current.delete(id);
  }

  /** The manifest of this hash. Throws `not_found`. */
  async manifest(hash: string): Promise<Manifest> {
    const kept = this.#manifests.get(hash);
    if (kept !== undefined) return kept;
    // Many runs of one manifest may begin at a time: one read serves them all.
    let read = this.#reads.get(hash);
    if (read === undefined) {
      read = this.#readManifest(hash).finally(() => this.#reads.delete(hash));
      this.#reads.set(hash, read);
    }
    return read;
  }

  async #readManifest(hash: string): Promise<Manifest> {
    const manifest = await this.#store.findManifest({ hash });
    if (manifest === undefined) throw new AppError("not_found", `There is no manifest ${hash}.`);
    if (this.#manifests.size >= keptManifests) this.#manifests.clear();
    this.#manifests.set(hash, manifest);
    return manifest;
  }

  /** What a manifest says of a definition that it contains. Throws `not_found`, and `invalid_definition` when it contradicts itself. */
  async spec(hash: string, id: string): Promise<DefinitionSpec> {
    const spec = (await this.manifest(hash)).definitions[id];
    if (spec === undefined) throw new AppError("not_found", `The manifest ${hash} has no definition "${id}".`);
    if (spec.id === id) return spec;
    // No manifest can be applied so; an old store may have one.
    throw new AppError("invalid_definition", `The manifest of "${id}" calls it "${spec.id}".`, {
      hint: `Apply "${id}" again.`,
    });
  }

  /** As `spec`; undefined where the manifest, or the definition in it, is not there. */
  async findSpec(hash: string, id: string): Promise<DefinitionSpec | undefined> {
    return this.spec(hash, id).catch((error: unknown) => {
      if (isAppError(error, "not_found")) return undefined;
      throw error;
    });
  }

  /**
   * The input as a run keeps it: checked against the definition's JSON Schema where it has one. A workflow's defaults are
   * filled in, since its bindings read them here; a task's are its own process's business. Throws `invalid_input`, and
   * `limit_exceeded` where it `mayRefuse` since many wait for the same: whoever asks can ask again.
   */
  async fitInput(spec: DefinitionSpec, input: Json, { mayRefuse = false } = {}): Promise<Json> {
    return this.#fit(spec, input, { ...inputSchema(spec), mayRefuse });
  }

  /** As `fitInput`, of what somebody outside gives: fields that a workflow would drop are refused. */
  async fitGiven(spec: DefinitionSpec, input: Json, { mayRefuse = false } = {}): Promise<Json> {
    const { schema, options } = inputSchema(spec);
    if (schema === undefined || spec.kind === "task") return this.#fit(spec, input, { schema, options, mayRefuse });
    return this.#fit(spec, input, { schema: givenSchema(schema, spec), options, mayRefuse });
  }

  async #fit(
    spec: DefinitionSpec,
    input: Json,
    by: { readonly schema?: Schema | undefined; readonly options: FitOptions; readonly mayRefuse: boolean },
  ): Promise<Json> {
    const { schema, options, mayRefuse } = by;
    if (schema === undefined) return input;
    const bounded = { what: `Checking the input of "${spec.id}"`, code: "invalid_input", mayRefuse } as const;
    return fittingInput(spec.id, await this.evaluator.fit(input, schema, options, bounded));
  }

  /**
   * Whether a task's output may be its output. A task of TypeScript has its own schema, and its process has checked that;
   * a plain function has none. Throws `invalid_output`.
   */
  async checkOutput(spec: TaskSpec, output: Json): Promise<void> {
    if (spec.executor === "typescript" && spec.source.plain !== true) return;
    await this.checkDeclared(spec, output);
  }

  /** Whether it fits what the task declares, whoever has checked it before. Throws `invalid_output`. */
  async checkDeclared(spec: TaskSpec, output: Json): Promise<void> {
    if (!isSchema(spec.output)) return;
    const options = { what: `output schema of "${spec.id}"`, useDefaults: false };
    const bounded = { what: `Checking the output of "${spec.id}"`, code: "invalid_output" } as const;
    const fitted = await this.evaluator.fit(output, spec.output, options, bounded);
    if ("value" in fitted) return;
    throw new AppError("invalid_output", `The output of "${spec.id}" does not fit: ${fitted.problem}.`, {
      hint: `holdfast manifest ${spec.id} shows what it declares.`,
    });
  }
}

/** The JSON Schema of a definition's input, where it has one, and how values are held against it. */
export function inputSchema(spec: DefinitionSpec): { readonly schema?: Schema; readonly options: FitOptions } {
  const options = { what: `input schema of "${spec.id}"`, useDefaults: spec.kind === "workflow" };
  return isSchema(spec.input) ? { schema: spec.input, options } : { options };
}

function isSchema(schema: Json | undefined): schema is Schema {
  return typeof schema === "object" && schema !== null;
}

function uriTaken({ asset, uri, holder }: UriConflict): AppError {
  return new AppError("invalid_definition", `The asset "${asset}" has the URI ${uri}, which is "${holder}"'s.`, {
    hint: `Name and URI are one asset: use "${holder}", or give one of them another URI. Nothing was applied.`,
  });
}

function manifestRow(manifest: Manifest): ManifestRow {
  const parsed = manifestSchema.safeParse(manifest);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new AppError("invalid_definition", `${issue?.path.join(".") ?? "manifest"}: ${issue?.message ?? "is wrong"}`);
  }
  const spec = manifest.definitions[manifest.root];
  // Every object has a "constructor".
  if (spec === undefined || !Object.hasOwn(manifest.definitions, manifest.root)) {
    throw new AppError("invalid_definition", `The manifest does not contain its own root "${manifest.root}".`);
  }
  const bytes = utf8Bytes(JSON.stringify(manifest));
  if (bytes > limits.manifestBytes) {
    throw new AppError(
      "too_large",
      `The manifest of "${manifest.root}" has ${bytes} bytes; ${limits.manifestBytes} are allowed.`,
    );
  }
  return { id: manifest.root, kind: spec.kind, hash: canonicalHash(manifest), manifest };
}
