/** A place in a JSON Schema as users name it: `file.parts[]`; `it` is the whole. */
export function fieldName(path: readonly (string | number)[]): string {
  const steps: string[] = [];
  for (let i = 0; i < path.length; i++) {
    const step = path[i];
    if (step === "properties") steps.push(`.${String(path[++i])}`);
    else if (step === "items") steps.push("[]");
  }
  return steps.length === 0 ? "it" : steps.join("").replace(/^\./, "");
}
