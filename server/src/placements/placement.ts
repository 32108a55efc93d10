import type { AccessGroup, ActivationStart, ChannelMethod, Json, TaskSpec } from "@holdfast/protocol";

/** One activation to carry out. */
export interface ActivationJob {
  readonly start: ActivationStart;
  readonly task: TaskSpec;
  /** What is left of the attempt's `timeout` in milliseconds of running time; undefined: no limit. */
  readonly remainingMs: number | undefined;
  /** What the activation may call. A warm process is used again only under the same grants. */
  readonly grants: readonly AccessGroup[];
}

/** A line that the activation wrote outside `ctx.log`, or (stream `supervisor`) that is said about its process. */
export interface OutputLine {
  readonly stream: "stdout" | "stderr" | "supervisor";
  readonly level: "debug" | "info" | "warn" | "error";
  /** At most `limits.logLineBytes` in UTF-8, without NUL and lone surrogates. */
  readonly text: string;
  /** What a JSON line said besides its level and message. */
  readonly fields?: { readonly [key: string]: Json };
}

/** What an activation says and prints, as the control plane hears it. */
export interface ActivationListener {
  /**
   * One call of the method table. Its params have been parsed by the table and the nonce was right; the grant is checked
   * here. Calls of one activation come one at a time, in order. Rejects with AppError; `stale_epoch` and `run_ended` end
   * the activation.
   */
  call(method: ChannelMethod, params: unknown): Promise<unknown>;
  /** Printed lines in order. What was printed before a call that ends the run comes before that call, and is awaited. */
  lines(lines: readonly OutputLine[]): Promise<void> | void;
}

/**
 * How an activation ended. `ranMs`: its running time, frozen time left out.
 * `settled`: run.succeed, fail, retry, skip or suspend was acknowledged.
 * `refused`: the control plane answered `stale_epoch` or `run_ended`; the whole group is gone.
 * `exited`: ended without a word. `lost`: by a signal from outside (KILL, TERM, INT, HUP), which uses up no attempt; else
 * the attempt failed. `message` and `hint` are sentences for people.
 * `aborted`: abort() or kill() was obeyed and the whole group is gone.
 */
export type ActivationEnd = ActivationVerdict & { readonly ranMs: number };

export type ActivationVerdict =
  | { readonly how: "settled" | "refused" | "timed_out" }
  | {
      readonly how: "exited";
      readonly code: number | null;
      readonly signal: string | null;
      readonly lost: boolean;
      readonly message: string;
      readonly hint?: string;
      readonly details?: Json;
    }
  | { readonly how: "aborted"; readonly reason: string };

/** An activation under way. All methods may be called at any time, also after the end, when they do nothing. */
export interface RunningActivation {
  /** Never rejects. Printed lines have been handed over before it resolves. */
  readonly ended: Promise<ActivationEnd>;
  /** Running time so far in milliseconds, frozen time left out. */
  readonly ranMs: number;
  /** Fires the body's abortSignal, then sends TERM, then KILL to the whole group, each after its grace. */
  abort(reason: string): void;
  /** Stops the whole group where it stands; running time does not count. Inline bodies cannot be stopped: only their time is. */
  freeze(): void;
  thaw(): void;
  /** KILL to the whole group at once. An inline body cannot be killed: its signal fires and what it says is refused. */
  kill(): void;
}

/** Where bodies run. Knows no store. */
export interface Placement {
  readonly name: "inline" | "process";
  /** How many more activations may be started now. */
  readonly free: number;
  /** Throws when `free` is 0 or after close(): the caller has to look first. */
  start(job: ActivationJob, listener: ActivationListener): RunningActivation;
  freezeAll(): void;
  thawAll(): void;
  /** User code has changed: no process that has loaded any is used again. */
  forgetCode(): void;
  /** Kills what is left, group by group. Activations under way end `aborted`. */
  close(): Promise<void>;
}
