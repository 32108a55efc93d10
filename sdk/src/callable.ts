// What callers see of tasks and workflows: who calls them, from a client, a graph or a body, needs no more.

declare const phantom: unique symbol;

/** Work with an id. `I` is what callers pass, `O` what is stored of what it returns. */
export interface Task<in I = never, out O = unknown> {
  readonly kind: "task";
  readonly id: string;
  readonly [phantom]: { readonly input: (input: I) => void; readonly output: O };
}

/** A graph of tasks with an id. `P` is what callers pass, `O` what is stored of its output. */
export interface Workflow<in P = never, out O = unknown> {
  readonly kind: "workflow";
  readonly id: string;
  readonly [phantom]: { readonly input: (input: P) => void; readonly output: O };
}

/** What callers of a definition pass. */
export type PassedTo<D> = D extends { readonly [phantom]: { readonly input: (input: infer I) => void } } ? I : never;

/** What is stored of what a definition returns. */
export type ReturnedBy<D> = D extends { readonly [phantom]: { readonly output: infer O } } ? O : never;
