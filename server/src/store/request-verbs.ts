import type { Json } from "@holdfast/protocol";
import type { Uniqueness } from "./enqueue-rows.ts";

/**
 * One part of what a request asks: its first part is ''. Requests share their names with those that enqueue: a key is one request's in
 * its namespace.
 */
export interface RequestName extends Uniqueness {
  readonly namespace: string;
  readonly part: string;
}

/** `repeated`: this part was carried out before, and answered so. `request_conflict`: its key was used for something else. */
export type OnceResult =
  | { readonly outcome: "done" | "repeated"; readonly answer: unknown }
  | { readonly outcome: "request_conflict" };

/** What is kept under a part of a request. */
export interface KeptAnswer {
  readonly hash: string;
  /** Undefined: the key was used to enqueue. */
  readonly answer: Json | undefined;
}
