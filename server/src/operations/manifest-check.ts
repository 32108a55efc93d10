import { createHash } from "node:crypto";
import { canonicalText, type DefinitionSpec, type Json, type Manifest } from "@holdfast/protocol";
import { checkExpressionUses, checkManifestGraph, type PlacedExpression, refuseManifest } from "../core/index.ts";
import { ExpressionError, parseExpression } from "../expressions.ts";
import { doPart } from "./bounded-work.ts";
import type { SchemaCompiler } from "./schema-fit.ts";

const tooMuch = "Say less of the value, or split it.";
const rememberedSchemas = 10_000;

/** What can be wrong in a manifest is found where it is applied, not at its first run. */
export class ManifestCheck {
  readonly #schemas: SchemaCompiler;
  /** Hashes of schemas that can be used. The manifests of a project have many in common. */
  readonly #usable = new Set<string>();

  constructor(schemas: SchemaCompiler) {
    this.#schemas = schemas;
  }

  /** The parts of the check. Each throws `invalid_definition` for a mistake, with its place and a remedy, as this does. */
  parts(manifest: Manifest): readonly (() => void)[] {
    return [...this.#parts(manifest)];
  }

  *#parts(manifest: Manifest): Generator<() => void> {
    for (const expression of checkManifestGraph(manifest)) yield () => checkExpression(expression);
    const { definitions, assets } = manifest;
    for (const spec of Object.values(definitions)) {
      for (const { schema, what } of schemasOf(spec)) yield () => this.#checkSchema(schema, what);
    }
    for (const asset of Object.values(assets)) {
      for (const part of ["watermark", "event", "state"] as const) {
        const schema = asset[part];
        if (schema !== undefined) yield () => this.#checkSchema(schema, `${part}'s schema of the asset "${asset.id}"`);
      }
    }
  }

  #checkSchema(schema: Json, what: string): void {
    // Boolean schemas say nothing that would be checked.
    if (typeof schema === "boolean") return;
    const hash = createHash("sha256").update(canonicalText(schema)).digest("base64");
    if (this.#usable.has(hash)) return;
    doPart(`the ${what}`, tooMuch, () => this.#schemas.compile(schema, { what, useDefaults: false }));
    if (this.#usable.size >= rememberedSchemas) this.#usable.clear();
    this.#usable.add(hash);
  }
}

function checkExpression(expression: PlacedExpression): void {
  const { text, place } = expression;
  checkExpressionUses(expression, parsed(text, place));
}

function parsed(text: string, place: string): { readonly tasks: readonly string[]; readonly usesItem: boolean } {
  try {
    return parseExpression(text);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return refuseManifest(`${place} is an expression with a mistake: ${error.message}.`, error.hint);
  }
}

const schemaNames = ["input", "output", "state", "taskState"];

function schemasOf(spec: DefinitionSpec): { schema: Json; what: string }[] {
  const ofTask = spec.kind === "task" ? [spec.output, spec.state?.schema, spec.taskState?.schema] : [];
  return [spec.input, ...ofTask].flatMap((schema, index) =>
    schema === undefined ? [] : [{ schema, what: `${schemaNames[index]} schema of "${spec.id}"` }],
  );
}
