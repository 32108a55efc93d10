import type { Reference } from "@holdfast/protocol";

/** A reference as it stands in a file, cut into its steps. */
export interface WrittenReference {
  readonly root: string;
  readonly steps: readonly (string | number)[];
}

const stepPattern = /\.([A-Za-z_$][\w$-]*)|\[(0|[1-9]\d{0,8})\]|\[("(?:[^"\\]|\\.)*")\]/y;

/** Cuts `tasks.extract.output.files[0]["a b"]`. Undefined when the text is no reference. */
export function parseReference(text: string): WrittenReference | undefined {
  const root = /^[A-Za-z_]\w*/.exec(text)?.[0];
  if (root === undefined) return undefined;
  const steps: (string | number)[] = [];
  stepPattern.lastIndex = root.length;
  while (stepPattern.lastIndex < text.length) {
    const match = stepPattern.exec(text);
    if (match === null) return undefined;
    const [, name, index, quoted] = match;
    if (index !== undefined) steps.push(Number(index));
    else if (quoted === undefined) steps.push(name ?? "");
    else {
      const step = unquoted(quoted);
      if (step === undefined) return undefined;
      steps.push(step);
    }
  }
  return { root, steps };
}

function unquoted(text: string): string | undefined {
  try {
    return JSON.parse(text) as string;
  } catch {
    return undefined;
  }
}

/** What a reference leads to. */
export type Target =
  | { readonly kind: "task"; readonly task: string; readonly path: Reference["path"] }
  | { readonly kind: "param"; readonly name: string; readonly path: Reference["path"] }
  | { readonly kind: "item"; readonly path: Reference["path"] };

/** Why a reference leads nowhere. */
export interface ReferenceDefect {
  readonly message: string;
  readonly hint: string;
}

/** Where a reference leads, as far as its words tell; `item` is the name of the item where there is one. */
export function targetOf(text: string, item: string | undefined): Target | ReferenceDefect {
  const written = parseReference(text);
  const roots = `tasks.NAME.output${item === undefined ? "" : `, ${item}`} or params.NAME`;
  if (written === undefined) {
    return { message: `is "${text}", which is no reference`, hint: `Write ${roots}, with .field or [0] behind it.` };
  }
  const { root, steps } = written;
  const [first, second, ...rest] = steps;
  if (root === item) return { kind: "item", path: [...steps] };
  if (root === "params") {
    if (typeof first === "string") return { kind: "param", name: first, path: steps.slice(1) };
    return { message: `is "${text}"`, hint: "Name a parameter: params.NAME." };
  }
  if (root === "tasks") {
    if (typeof first === "string" && second === "output") return { kind: "task", task: first, path: rest };
    return { message: `is "${text}"`, hint: `Write tasks.${typeof first === "string" ? first : "NAME"}.output.` };
  }
  const hint =
    root === "item" ? 'Only a task with "foreach" has an item; refs call it by the name of "as".' : `Write ${roots}.`;
  return { message: `is "${text}", and there is no "${root}"`, hint };
}

export function isDefect(value: Target | ReferenceDefect): value is ReferenceDefect {
  return "message" in value;
}
