import type { Json } from "@holdfast/protocol";
import type { JobResult } from "./external/job-shape.ts";

declare const refusal: unique symbol;
/** Stands in a type where a value was found that JSON cannot keep; nothing is assignable to it. */
export interface NotStorable<What extends string> {
  readonly [refusal]: What;
}

type IsAny<T> = 0 extends 1 & T ? true : false;
type Unkeepable =
  | bigint
  | symbol
  | ((...args: never) => unknown)
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | WeakMap<WeakKey, unknown>
  | WeakSet<WeakKey>
  | Promise<unknown>
  | RegExp
  | Error
  | ArrayBuffer
  | Uint8Array;

/**
 * What is left of a value once JSON has kept it: a Date is a string, undefined properties are gone, a Map is refused. A job that a
 * body returns is what came of it.
 */
export type Stored<T> =
  IsAny<T> extends true
    ? T
    : [Json] extends [T]
      ? Json
      : T extends JobResult<infer R>
        ? Stored<R>
        : [T] extends [Json]
          ? T
          : T extends string | number | boolean | null
            ? T
            : T extends void
              ? null
              : T extends Unkeepable
                ? NotStorable<"JSON cannot keep this value: return plain objects, lists, strings, numbers, booleans or null">
                : T extends { toJSON(): infer J }
                  ? Stored<J>
                  : T extends readonly unknown[]
                    ? { readonly [K in keyof T]: Stored<T[K]> }
                    : { readonly [K in keyof T as K extends symbol ? never : K]: StoredField<T[K]> };

type StoredField<T> = undefined extends T
  ? IsAny<T> extends true
    ? T
    : unknown extends T
      ? Json
      : Stored<Exclude<T, undefined>> | undefined
  : Stored<T>;

/** `T` itself when JSON can keep it, else a type that names what it cannot keep. For checking what a body returns. */
export type Storable<T> =
  IsAny<T> extends true
    ? T
    : [T] extends [Json]
      ? T
      : T extends JobResult<unknown>
        ? T
        : T extends Unkeepable
          ? NotStorable<"JSON cannot keep this value: return plain objects, lists, strings, numbers, booleans or null">
          : T extends string | number | boolean | null | undefined
            ? T
            : T extends { toJSON(): unknown }
              ? T
              : T extends object
                ? { [K in keyof T]: Storable<T[K]> }
                : T;
