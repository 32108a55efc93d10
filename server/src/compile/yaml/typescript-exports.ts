import type { DefinitionSpec, Manifest } from "@holdfast/protocol";

/** What stands behind an export of a TypeScript module. */
export type TypescriptExport =
  | { readonly kind: "definition"; readonly spec: DefinitionSpec; readonly manifest: Manifest }
  /** A function that is no task: the workflow's file says what it takes and gives. */
  | { readonly kind: "function" }
  | { readonly kind: "missing"; readonly known: readonly string[] }
  | { readonly kind: "other"; readonly is: string }
  /** The module, or the definition, has mistakes of its own, which are told where they are. */
  | { readonly kind: "broken" };

/** Looks an export up; modules are named relative to the root. */
export type FindExport = (module: string, name: string) => TypescriptExport;
