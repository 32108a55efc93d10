import {
  AppError,
  type Applied,
  type DefinitionSpec,
  type DefinitionView,
  type Json,
  limits,
  type Manifest,
  manifestSchema,
  utf8Bytes,
} from "@holdfast/protocol";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { canonicalHash } from "../canonical.ts";
import type { DefinitionRow, ManifestRow, Store } from "../store/store.ts";

const keptManifests = 1_000;

/** Definitions and the manifests they stand for. Manifests never change, so they are kept in memory once read. */
export class Definitions {
  readonly #store: Store;
  readonly #namespace: string;
  readonly #manifests = new Map<string, Manifest>();
  readonly #reads = new Map<string, Promise<Manifest>>();
  readonly #fitters = new WeakMap<object, Fit>();

  constructor({ store, namespace }: { store: Store; namespace: string }) {
    this.#store = store;
    this.#namespace = namespace;
  }

  /** Makes these manifests the current ones. Running runs keep theirs. */
  async apply(manifests: readonly Manifest[]): Promise<Applied> {
    const rows = manifests.map(manifestRow);
    const { changed } = await this.#store.applyManifests({ namespace: this.#namespace, manifests: rows });
    const ids = new Set(rows.map((row) => row.id));
    const all = await this.list();
    return { definitions: all.filter((view) => ids.has(view.id)), changed };
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
    throw new AppError("not_found", `There is no definition "${id}".`, {
      hint: "Apply the file that exports it: holdfast apply PATH.",
    });
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

  /** What a manifest says of a definition that it contains. Throws `not_found`. */
  async spec(hash: string, id: string): Promise<DefinitionSpec> {
    const spec = (await this.manifest(hash)).definitions[id];
    if (spec === undefined) throw new AppError("not_found", `The manifest ${hash} has no definition "${id}".`);
    return spec;
  }

  /**
   * The input as a run keeps it: checked against the definition's JSON Schema where it has one. A workflow's defaults are
   * filled in, since its bindings read them here; a task's are its own process's business. Throws `invalid_input`.
   */
  fitInput(spec: DefinitionSpec, input: Json): Json {
    if (spec.input === undefined || spec.input === null || typeof spec.input !== "object") return input;
    let fit = this.#fitters.get(spec.input);
    if (fit === undefined) {
      fit = compileSchema(spec.input, spec);
      this.#fitters.set(spec.input, fit);
    }
    const fitted = fit(input);
    if ("value" in fitted) return fitted.value;
    throw new AppError("invalid_input", `The input of "${spec.id}" does not fit: ${fitted.problem}.`, {
      hint: `holdfast manifest ${spec.id} shows what it takes.`,
    });
  }
}

type Fit = (input: Json) => { readonly value: Json } | { readonly problem: string };

function compileSchema(schema: object, { id, kind }: DefinitionSpec): Fit {
  const useDefaults = kind === "workflow";
  // Formats are the schema library's business: it checks them where the body runs.
  const ajv = new Ajv2020({ strict: false, validateFormats: false, useDefaults });
  const validate = compiled(ajv, schema, id);
  return (input) => {
    const value: Json = useDefaults ? structuredClone(input) : input;
    if (validate(value)) return { value };
    const first = validate.errors?.[0];
    if (first === undefined) return { problem: "it was refused" };
    const place = first.instancePath === "" ? "it" : first.instancePath.slice(1).replaceAll("/", ".");
    const property: unknown = first.params.additionalProperty;
    const named = typeof property === "string" ? ` ("${property}")` : "";
    return { problem: `${place} ${first.message ?? "is wrong"}${named}` };
  };
}

function compiled(ajv: Ajv2020, schema: object, id: string): ValidateFunction {
  try {
    return ajv.compile(schema);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new AppError("invalid_definition", `The input schema of "${id}" is no JSON Schema that can be used: ${why}`, {
      cause,
    });
  }
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
