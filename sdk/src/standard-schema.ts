// The interface of https://standardschema.dev (version 1), written out so that any library that follows it can be used
// without an import of ours. `jsonSchema` is the sibling trait by which a library offers its JSON Schema.

export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": StandardSchemaProperties<Input, Output>;
}

export interface StandardSchemaProperties<Input = unknown, Output = Input> {
  readonly version: 1;
  readonly vendor: string;
  readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
  readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  readonly jsonSchema?: StandardJsonSchemaConverter | undefined;
}

export interface StandardJsonSchemaConverter {
  readonly input: (options: { readonly target: "draft-2020-12" }) => Record<string, unknown>;
  readonly output: (options: { readonly target: "draft-2020-12" }) => Record<string, unknown>;
}

export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What a schema accepts. */
export type InputOf<S extends StandardSchema> = NonNullable<S["~standard"]["types"]>["input"];
/** What a schema makes of it. */
export type OutputOf<S extends StandardSchema> = NonNullable<S["~standard"]["types"]>["output"];

export function isStandardSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== "object" && typeof value !== "function") || value === null || !("~standard" in value))
    return false;
  const trait = value["~standard"];
  return typeof trait === "object" && trait !== null && "validate" in trait && typeof trait.validate === "function";
}

/** One line for people: `at files[0].name: expected string`. */
export function describeIssues(issues: readonly StandardIssue[]): string {
  return issues
    .slice(0, 10)
    .map((issue) => {
      const steps = (issue.path ?? []).map((step) => (typeof step === "object" ? step.key : step));
      const path = steps.map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`)).join("");
      return path === "" ? issue.message : `at ${path.replace(/^\./, "")}: ${issue.message}`;
    })
    .join("; ");
}
