import type { TriggerRule } from "@holdfast/protocol";
import type { Bound, Readable, Resolved } from "./bound.ts";
import type { Expression } from "./cel.ts";
import type { PassedTo, RetryOptions, ReturnedBy, Task, Workflow } from "./definition.ts";
import type { Placeholder, Ref } from "./reference.ts";

// The builder's surface, as types only; build-graph.ts is what runs.

declare const handleBrand: unique symbol;

/** A node of the graph under construction. */
export interface Handle {
  readonly name: string;
  readonly [handleBrand]: true;
}

/** A node that calls a task or a workflow. `output` refers to what it will return; null when it was skipped. */
export interface CallHandle<O> extends Handle {
  readonly output: Ref<O>;
}

/** A node that maps a task over a list. `outputs` refers to the list of what its items return, in the list's order. */
export interface MapHandle<O> extends Handle {
  readonly outputs: Ref<readonly O[]>;
}

export interface NodeOptions {
  /** The node's name in progress, `runs show` and errors: `"refund"`. Default: the definition's id, then `id#2`… */
  readonly as?: string;
  /** Nodes that must have ended first, beside those whose output is used. */
  readonly after?: Handle | readonly Handle[];
  /** The node is skipped unless this is true. A function is called once, when the workflow is compiled. */
  readonly when?: Bound<boolean> | (() => Bound<boolean>);
  /** When it may start, judged once every upstream has ended; default `all_success`. */
  readonly rule?: TriggerRule;
  /** Instead of the task's own policy. */
  readonly retry?: RetryOptions;
}

export type MapOptions<E, I> = NodeOptions & {
  /** The identity of an item: `transform[eu]`. Called once with a reference to the item. */
  readonly key: (item: Ref<E>) => Bound<string | number | boolean>;
  /** How many items may be under way at a time; default all. */
  readonly concurrency?: number;
} & ([E] extends [Readable<I>]
    ? { readonly with?: (item: Ref<E>) => Bound<I> }
    : { readonly with: (item: Ref<E>) => Bound<I> });

type ArgsOf<I> = unknown extends I
  ? [args?: unknown, options?: NodeOptions]
  : undefined extends I
    ? [args?: Bound<I>, options?: NodeOptions]
    : Record<never, never> extends I
      ? [args?: Bound<I>, options?: NodeOptions]
      : [args: Bound<I>, options?: NodeOptions];

type ItemOf<L> =
  L extends Placeholder<readonly (infer E)[]>
    ? E
    : L extends Expression<infer T>
      ? [T] extends [never]
        ? unknown
        : T extends readonly (infer E)[]
          ? E
          : never
      : L extends readonly (infer E)[]
        ? Resolved<E>
        : never;

/** What a workflow's builder is given. */
export interface Builder<P> {
  /** The workflow's parameters. */
  readonly params: Ref<P>;
  /** Adds a node that calls a task or a workflow. */
  call<D extends Task | Workflow>(definition: D, ...args: ArgsOf<PassedTo<D>>): CallHandle<ReturnedBy<D>>;
  /** Adds a node that calls a task once for each item of a list. */
  map<L extends Placeholder<readonly unknown[]> | Expression<readonly unknown[]> | readonly unknown[], I, O>(
    list: L,
    task: Task<I, O>,
    options: MapOptions<ItemOf<L>, NoInfer<I>>,
  ): MapHandle<O>;
}
