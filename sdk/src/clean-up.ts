import type { ActivationStart, ChannelCall, CleanUpSpec, Duration, Json } from "@holdfast/protocol";
import { asStateRecord, asWaitRecord, defaultCleanUp, limits } from "@holdfast/protocol";
import type { Asset, AssetAccess } from "./assets.ts";
import type { ActivationContext, BodyContext } from "./context.ts";
import { OptionReader, show } from "./options.ts";
import type { StateHandle } from "./state.ts";
import type { WaitContext } from "./wait.ts";

// The clean-up of a run that was cut off: `onCancel` of its task.

/** Why a run was cut off. `cancelled`: somebody or something ordered its end; `expired`: its `expiresAfter` was over. */
export interface CancelReason {
  readonly code: "cancelled" | "expired";
  readonly message: string;
}

/** What `onCancel` is given beside the run's input. It waits for nothing: the run ends when it has returned. */
export interface CleanUpContext<S = StateHandle, T = StateHandle, R extends Asset = Asset, W extends Asset = Asset>
  extends Omit<BodyContext, keyof WaitContext | "skip">,
    Pick<WaitContext, "start">,
    AssetAccess<R, W> {
  /** Why the run was cut off. */
  readonly reason: CancelReason;
  /** Which try of the clean-up this is, from 1. */
  readonly try: number;
  /**
   * What the body has recorded under this key: the result of a step, the payload of a signal, the output of what it called, the result of
   * a job. Undefined: nothing, or it did not come to a good end.
   */
  recorded(key: string): Promise<Json | undefined>;
  readonly state: S;
  readonly taskState: T;
}

/** The function, and how it is tried. */
export interface CleanUpOptions<
  I = never,
  S = StateHandle,
  T = StateHandle,
  R extends Asset = Asset,
  W extends Asset = Asset,
> {
  readonly run: (input: I, ctx: CleanUpContext<S, T, R, W>) => unknown;
  /** Running time of a try; default 1m. */
  readonly timeout?: Duration;
  /** Tries in all; default 3. */
  readonly attempts?: number;
}

/** What a task says under `onCancel`. */
export type CleanUp<I = never, S = StateHandle, T = StateHandle, R extends Asset = Asset, W extends Asset = Asset> =
  | CleanUpOptions<I, S, T, R, W>
  | CleanUpOptions<I, S, T, R, W>["run"];

/** As it stands in the manifest; undefined where there is none, or it is wrong, which the reader is told. */
export function readCleanUp(reader: OptionReader): CleanUpSpec | undefined {
  const value = reader.value("onCancel");
  if (value === undefined) return undefined;
  if (typeof value === "function") return { ...defaultCleanUp };
  const hint = 'Write a function: onCancel: async (input, ctx) => { … }, or { run: …, timeout: "5m", attempts: 5 }.';
  if (typeof value !== "object" || value === null) {
    reader.add(`"onCancel" is ${show(value)}`, hint);
    return undefined;
  }
  const inner = new OptionReader(value, `${reader.what}: onCancel`, reader.at);
  inner.onlyKnown(["run", "timeout", "attempts"]);
  if (typeof inner.value("run") !== "function") reader.add(`"run" of "onCancel" is ${show(inner.value("run"))}`, hint);
  const spec = {
    attempts: inner.number("attempts", { min: 1, max: limits.attempts, integer: true }) ?? defaultCleanUp.attempts,
    timeoutMs: inner.duration("timeout") ?? defaultCleanUp.timeoutMs,
  };
  reader.problems.found.push(...inner.problems.found);
  return spec;
}

type Run = (input: never, ctx: CleanUpContext) => unknown;

/** The function of a task's `onCancel`. */
export function cleanUpOf(onCancel: unknown): Run | undefined {
  if (typeof onCancel === "function") return onCancel as Run;
  return (onCancel as CleanUpOptions | undefined)?.run as Run | undefined;
}

const waiting = ["sleep", "waitForSignal", "call", "map", "external", "all", "race", "skip"] as const;

interface Parts {
  readonly context: ActivationContext;
  readonly start: ActivationStart;
  readonly call: ChannelCall;
}

/** The context of a clean-up over that of its activation. */
export function cleanUpContext({ context, start, call }: Parts): CleanUpContext {
  const { code = "cancelled", message = "", try: tried = 1 } = start.cleanUp ?? {};
  const records = new Map(start.steps.map(({ key, value }) => [key, value]));
  const refused = waiting.map((name) => [
    name,
    () => {
      throw new Error(`ctx.${name} cannot be used in onCancel: the run is to end, and its clean-up waits for nothing.`);
    },
  ]);
  const own = {
    reason: { code: code as CancelReason["code"], message },
    try: tried,
    recorded: (key: string) => recordedValue(records.get(key), call),
    ...Object.fromEntries(refused),
  };
  // What a clean-up may do it does by the activation's own context, whose private parts are reached through it.
  return new Proxy(context, {
    get: (target, name) => {
      if (Object.hasOwn(own, name)) return Reflect.get(own, name);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  }) as unknown as CleanUpContext;
}

async function recordedValue(value: Json | undefined, call: ChannelCall): Promise<Json | undefined> {
  if (value === undefined || asStateRecord(value) !== undefined) return undefined;
  const record = asWaitRecord(value);
  if (record === undefined) return value;
  if (record.end !== "done") return undefined;
  if (record.large !== true) return record.value ?? null;
  const named = record.run === undefined ? { job: record.job?.id ?? "" } : { run: record.run };
  return (await call("output.get", named)).output;
}
