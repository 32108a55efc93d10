import { Refusal } from "../refusal.ts";

type Labels = Readonly<Record<string, string>>;
export type Selector<T> = (of: T) => boolean;

/** `a=b,c!=d,e in (x,y),f notin (z),g,!h`. */
export function labelSelector(text: string): Selector<Labels> {
  const requirements = splitOutsideBrackets(text).map(labelRequirement);
  return (labels) => requirements.every((fits) => fits(labels));
}

function labelRequirement(part: string): Selector<Labels> {
  const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(part);
  if (set) {
    const [, name = "", operator, values = ""] = set;
    const known = new Set(values.split(",").map((value) => value.trim()));
    return (labels) => known.has(labels[name] ?? "\0") === (operator === "in");
  }
  const equal = /^([^=!\s]+)\s*(==|=|!=)\s*([^=!\s]*)$/.exec(part);
  if (equal) {
    const [, name = "", operator, value] = equal;
    return (labels) => (labels[name] === value) === (operator !== "!=");
  }
  const there = /^(!?)\s*([^=!\s()]+)$/.exec(part);
  if (!there) throw new Refusal(400, `unable to parse requirement: found '${part}'`, "BadRequest");
  const [, not, name = ""] = there;
  return (labels) => (labels[name] !== undefined) === (not === "");
}

/** Of jobs `metadata.name`, `metadata.namespace` and `status.successful` can be selected by. */
export function fieldSelector(text: string, known: readonly string[]): Selector<Labels> {
  const requirements = splitOutsideBrackets(text).map((part) => {
    const [, field = "", operator, value] = /^([^=!]+)(==|=|!=)(.*)$/.exec(part) ?? [];
    if (operator === undefined)
      throw new Refusal(400, `invalid selector: '${part}'; can't understand '${part}'`, "BadRequest");
    if (!known.includes(field))
      throw new Refusal(
        400,
        `"${field}" is not a known field selector: only ${known.map((name) => `"${name}"`).join(", ")}`,
        "BadRequest",
      );
    return (fields: Labels) => (fields[field] === value) === (operator !== "!=");
  });
  return (fields) => requirements.every((fits) => fits(fields));
}

function splitOutsideBrackets(text: string): string[] {
  return text
    .split(/,(?![^(]*\))/)
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
