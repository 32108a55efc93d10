import { Refusal } from "../refusal.ts";

/**
 * Names that a message of protobuf has; a message in a message by its own names, `null` where everything is taken. A list of
 * messages is written as one of them.
 */
export interface Fields {
  readonly [name: string]: Fields | null;
}

/** `a b c` for fields that hold no message of interest. */
export function fields(names: string, messages: Fields = {}): Fields {
  return { ...Object.fromEntries(names.split(" ").map((name) => [name, null])), ...messages };
}

/**
 * Reads a body as the JSON of a protobuf message: snake_case is taken as well as camelCase, and an unknown name is refused in
 * the words of Google's front end, which takes no field that the message has not.
 */
export function readMessage(body: unknown, known: Fields, place = ""): Record<string, unknown> {
  if (body === undefined) throw new Refusal(400, "Invalid JSON payload received. Parser error.");
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new Refusal(400, `Invalid value at '${place || "request"}', an object is wanted.`);
  }
  const message: Record<string, unknown> = {};
  for (const [sent, value] of Object.entries(body)) {
    const name = sent.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    if (!Object.hasOwn(known, name)) throw unknownName(sent, place);
    const inner = known[name];
    const path = place === "" ? name : `${place}.${name}`;
    if (value === null) continue;
    if (!inner) message[name] = value;
    else if (Array.isArray(value)) message[name] = value.map((part, at) => readMessage(part, inner, `${path}[${at}]`));
    else message[name] = readMessage(value, inner, path);
  }
  return message;
}

function unknownName(name: string, place: string): Refusal {
  const description = `Invalid JSON payload received. Unknown name "${name}"${place === "" ? "" : ` at '${place}'`}: Cannot find field.`;
  const violation = { ...(place !== "" && { field: place }), description };
  const details = [{ "@type": "type.googleapis.com/google.rpc.BadRequest", fieldViolations: [violation] }];
  return new Refusal(400, description, undefined, { details });
}
