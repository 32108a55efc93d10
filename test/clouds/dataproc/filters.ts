import { Refusal } from "../refusal.ts";

/** `field = value AND field:value OR …` as lists of Dataproc take it; a value may be quoted, `*` fits whatever is there. */
export function readFilter(
  text: string,
  known: readonly string[],
): (fieldOf: (field: string) => string | undefined) => boolean {
  if (text.trim() === "") return () => true;
  const clauses = text.split(/\s+OR\s+/i).map((clause) => {
    return clause.split(/\s+AND\s+/i).map((part) => readCondition(part.trim(), known));
  });
  return (fieldOf) => clauses.some((conditions) => conditions.every((fits) => fits(fieldOf)));
}

type Fits = (fieldOf: (field: string) => string | undefined) => boolean;

function readCondition(part: string, known: readonly string[]): Fits {
  const [, field = "", operator = "", quoted] = /^([\w.-]+)\s*(=|!=|:|<=|>=|<|>)\s*(.*)$/.exec(part) ?? [];
  if (quoted === undefined || quoted === "") throw new Refusal(400, `Invalid list filter: '${part}'.`);
  if (!known.includes(field) && !field.startsWith("labels."))
    throw new Refusal(400, `Invalid list filter: unknown field '${field}'.`);
  const wanted = quoted.replace(/^"(.*)"$/, "$1");
  return (fieldOf) => {
    const value = fieldOf(field);
    if (operator === "!=") return value !== wanted;
    if (value === undefined) return false;
    if (wanted === "*") return true;
    if (operator === "=" || operator === ":") return value === wanted;
    if (operator === "<") return value < wanted;
    if (operator === ">") return value > wanted;
    return operator === "<=" ? value <= wanted : value >= wanted;
  };
}
