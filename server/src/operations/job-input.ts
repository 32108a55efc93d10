import { AppError, type Json } from "@holdfast/protocol";

// What a workflow's file says about a job is a template: `{input.day}` stands for an argument of the task, `{input}` for all of them,
// `{json:input}` for these as text, `{run.id}` and `{run.attempt}` for the run. Other braces are the tracker's business.

const placeholder = /\{(json:)?((?:input|run)(?:\.\w+)*)\}/g;
const whole = /^\{((?:input|run)(?:\.\w+)*)\}$/;

export interface JobValues {
  readonly input: Json;
  readonly run: { readonly id: string; readonly attempt: number };
}

/** The template with its values. What stands alone keeps its kind; in a URL values are encoded. Throws `invalid_input`. */
export function filledJob(template: Json, values: JobValues, field?: string): Json {
  if (typeof template === "string") return filledText(template, values, field === "url");
  if (typeof template !== "object" || template === null) return template;
  if (Array.isArray(template)) return template.map((item: Json) => filledJob(item, values));
  return Object.fromEntries(Object.entries(template).map(([name, item]) => [name, filledJob(item, values, name)]));
}

function filledText(text: string, values: JobValues, isUrl: boolean): Json {
  const alone = whole.exec(text)?.[1];
  if (alone !== undefined && !isUrl) return valueAt(alone, values);
  return text.replaceAll(placeholder, (_, json: string | undefined, path: string) => {
    const value = valueAt(path, values);
    const written = json === undefined && typeof value === "string" ? value : JSON.stringify(value);
    return isUrl ? encodeURIComponent(written) : written;
  });
}

function valueAt(path: string, values: JobValues): Json {
  let value: Json = values as unknown as Json;
  for (const step of path.split(".")) {
    const isThere = typeof value === "object" && value !== null && Object.hasOwn(value, step);
    if (!isThere) {
      throw new AppError("invalid_input", `The job wants {${path}}, and the input has no such field.`, {
        hint: "Declare it in input_type and bind it in inputs.",
      });
    }
    value = (value as Readonly<Record<string, Json>>)[step] ?? null;
  }
  return value;
}
