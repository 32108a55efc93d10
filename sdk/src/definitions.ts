// What the compiler and the body's runner need of the SDK; users import index.ts.
export type { InspectExpression } from "./binding.ts";
export { type ExpressionData, expressionData, referenceCel } from "./cel.ts";
export {
  type AssetData,
  type DefinitionData,
  definitionData,
  isDefinition,
  type TaskData,
  type WorkflowData,
} from "./definition.ts";
export { type Position, positionInStack } from "./source-position.ts";
export { type CompiledDefinitions, compileDefinitions, type ExportedDefinition } from "./spec.ts";
export {
  describeIssues,
  type InputOf,
  isStandardSchema,
  type OutputOf,
  type StandardIssue,
  type StandardResult,
  type StandardSchema,
} from "./standard-schema.ts";
export { isFatalError, isRetryAfter } from "./steering.ts";
