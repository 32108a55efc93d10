import { z } from "zod";
import { workflowForm } from "./form.ts";

/**
 * The JSON Schema of workflow files, for editors: what keys there are, what they take, and what they mean. It knows less
 * than the compiler, which also follows names and compares types. Draft 7, which every editor knows.
 */
export function schemaText(): string {
  const { $schema, ...schema } = z.toJSONSchema(workflowForm, {
    io: "input",
    target: "draft-7",
    unrepresentable: "any",
  });
  const head = { $schema, title: "A workflow of Holdfast", description: "See docs/guides/yaml.md." };
  return `${JSON.stringify({ ...head, ...schema }, null, 2)}\n`;
}
