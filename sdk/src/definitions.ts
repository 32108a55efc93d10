// What the compiler and those who run bodies need of the SDK; users import index.ts.
export type { InspectExpression } from "./binding.ts";
export { type DefinitionData, definitionData, isDefinition, type TaskData } from "./definition.ts";
export { positionInStack } from "./source-position.ts";
export { type CompiledDefinitions, compileDefinitions, type ExportedDefinition } from "./spec.ts";
