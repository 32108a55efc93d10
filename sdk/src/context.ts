import type { Json } from "@holdfast/protocol";

/** What a body is given beside its input. */
export interface TaskContext {
  readonly run: {
    readonly id: string;
    readonly rootId: string;
    readonly parentId: string | null;
    readonly definition: string;
    readonly name: string;
    readonly item: string | null;
    readonly key: string | null;
    readonly generation: number;
  };
  /** The try that users see and count, from 1. */
  readonly attempt: number;
  readonly epoch: number;
  /** Aborts when the run is cancelled, its attempt times out or its node stops. */
  readonly abortSignal: AbortSignal;
  readonly log: {
    debug(text: string, fields?: Readonly<Record<string, Json>>): void;
    info(text: string, fields?: Readonly<Record<string, Json>>): void;
    warn(text: string, fields?: Readonly<Record<string, Json>>): void;
    error(text: string, fields?: Readonly<Record<string, Json>>): void;
  };
  progress(done: number, total?: number, text?: string): void;
  /** A text that is the same at every activation of this run's generation, and nowhere else. */
  token(key: string): string;
  /** Runs `fn` once and records what it returns under `key`; later the record answers. */
  step<R>(key: string, fn: () => R | Promise<R>): Promise<R>;
  /** Ends the run `skipped`. */
  skip(reason: string): never;
}
