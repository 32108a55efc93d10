import type { Json } from "@holdfast/protocol";
import type { Expression } from "./cel.ts";
import type { Placeholder } from "./reference.ts";

type IsAny<T> = 0 extends 1 & T ? true : false;
type IsUnknown<T> = IsAny<T> extends true ? true : unknown extends T ? true : false;

/** Any JSON value at all: its type contains itself, and to go into it never ends. */
type IsJson<T> = [T] extends [Json] ? ([string | number | boolean | null | []] extends [T] ? true : false) : false;

/** What may be written where a value of type T is wanted: the value, a reference, an expression, or a mixture. */
export type Bound<T> =
  IsUnknown<T> extends true
    ? unknown
    : IsJson<T> extends true
      ? unknown
      : Placeholder<Readable<T>> | Expression<Readable<T>> | BoundValue<T>;

/** T with every list and field read-only: what arrives is never written to, so a read-only list may be passed on. */
export type Readable<T> =
  IsUnknown<T> extends true
    ? T
    : IsJson<T> extends true
      ? T
      : T extends string | number | boolean | null | undefined | Date
        ? T
        : T extends object
          ? { readonly [K in keyof T]: Readable<T[K]> }
          : T;

type BoundValue<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends Date
    ? T | string
    : T extends readonly unknown[]
      ? { readonly [K in keyof T]: Bound<T[K]> }
      : T extends object
        ? { readonly [K in keyof T]: Bound<T[K]> }
        : T;

/** The type of the value that something bound will be when the workflow runs. */
export type Resolved<B> =
  IsAny<B> extends true
    ? B
    : B extends Placeholder<infer T>
      ? T
      : B extends Expression<infer T>
        ? [T] extends [never]
          ? Json
          : T
        : B extends undefined
          ? null
          : B extends string | number | boolean | null
            ? B
            : B extends object
              ? { readonly [K in keyof B]: Resolved<B[K]> }
              : B;
