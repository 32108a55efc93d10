import type { InspectExpression } from "@holdfast/sdk/definitions";
import { ExpressionError, parseExpression } from "../expressions.ts";

/** What a CEL expression uses, or its mistake; for `compileDefinitions`. */
export const inspectExpression: InspectExpression = (text) => {
  try {
    const { tasks, usesItem, isNoCondition } = parseExpression(text);
    return { tasks, usesItem, isNoCondition };
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return { tasks: [], usesItem: false, defect: { message: error.message, hint: error.hint } };
  }
};
