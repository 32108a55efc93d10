// What the compiler and those who run bodies need of the SDK; users import index.ts.
export type { InspectExpression } from "./binding.ts";
export { BindingCheck } from "./binding-check.ts";
export { eventsDefect } from "./consuming.ts";
export { type DefinitionData, definitionData, isDefinition, type TaskData } from "./definition.ts";
export { readJsonSchema } from "./json-schema.ts";
export { type InspectTiming, listOf, objectOf, tickParamDefects } from "./schedule-spec.ts";
export { isDefect as isStepDefect, kindsOf, type Shape, schemaShape, stepInto, unknownShape } from "./shape.ts";
export { positionInStack } from "./source-position.ts";
export { type CompiledDefinitions, compileDefinitions, type ExportedDefinition, type Inspections } from "./spec.ts";
