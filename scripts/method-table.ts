/** The channel's method table as a document: each method, its group, who is granted it by default, what is sent and answered. */
import { channelMethods, channelVersion, defaultGrants, processKinds } from "@holdfast/protocol";
import { z } from "zod";

export function methodTable(): string {
  const sections = Object.entries(channelMethods).map(([name, { group, params, result }]) => {
    const kinds = processKinds.filter((kind) => defaultGrants[kind].includes(group));
    return [
      `## ${name}`,
      `Group: ${group}. Granted by default to: ${kinds.join(", ") || "nobody"}.`,
      block("params", params),
      block("result", result),
    ].join("\n\n");
  });
  return [`# Channel methods, version ${channelVersion}`, ...sections].join("\n\n").concat("\n");
}

function block(title: string, schema: z.ZodType): string {
  const { $schema: _, ...shape } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return `\`${title}\`\n\n\`\`\`json\n${JSON.stringify(shape, null, 2)}\n\`\`\``;
}
