import { type ChannelCall, type Duration, durationMs, type Json, limits, type WaitSpec } from "@holdfast/protocol";
import { type ExternalJob, type Submit, submitOf } from "./external/external-job.ts";
import { isExternalJob } from "./external/job-mark.ts";
import { originHere, placedAt } from "./placed-errors.ts";
import { describeIssues, type StandardSchema } from "./standard-schema.ts";
import { storedValue } from "./stored-value.ts";
import type { ExternalOptions, Wait, WaitContext } from "./wait.ts";
import { AllNode, RaceNode, type WaitNode } from "./wait-nodes.ts";
import type { Waits } from "./waits.ts";

/** The nodes of waits that bodies hold. */
const nodes = new WeakMap<object, WaitNode>();

interface Parts {
  readonly waits: Waits;
  readonly call: ChannelCall;
  /** What this run's generation has recorded. */
  readonly recorded: Map<string, Json>;
  /** Throws for a key that cannot be one, or at a moment when nothing can be waited for. */
  readonly check: (key: string) => void;
}

/** The methods of a body's context that wait. */
export function waitContext({ waits, call, recorded, check }: Parts): WaitContext {
  const ask = (spec: WaitSpec, read: (payload: Json) => unknown = (payload) => payload, submit?: Submit) => {
    check(spec.key);
    return handle(waits, waits.ask(spec, read, submit));
  };
  const context = {
    sleep: (key: string, duration: Duration | number) => {
      return ask({ kind: "sleep", key, ms: spanMs(duration, "A sleep") }, () => undefined);
    },
    waitForSignal: (
      key: string,
      options: { name?: string; timeout?: Duration | number; schema?: StandardSchema } = {},
    ) => {
      const { name = key, timeout, schema } = options;
      check(name);
      return ask({ kind: "signal", key, name, ...timeoutOf(timeout) }, (payload) => fitting(schema, payload, key));
    },
    call: (key: string, definition: unknown, input?: unknown, { timeout }: { timeout?: Duration | number } = {}) => {
      const asked = { definition: idOf(definition), input: inputOf(input, key) };
      return ask({ kind: "call", key, ...asked, ...timeoutOf(timeout) });
    },
    external: (key: string, job: unknown, options: ExternalOptions = {}) => {
      if (!isExternalJob(job))
        throw new TypeError(`${JSON.stringify(key)} is no job: make it with "holdfast/external".`);
      const { timeout, onUnknown } = options;
      const unknown = onUnknown === undefined ? {} : { onUnknown };
      const spec: WaitSpec = { kind: "external", key, ...askedOf(job), ...timeoutOf(timeout), ...unknown };
      return ask(spec, undefined, submitOf(job));
    },
    map: (key: string, list: readonly unknown[], task: unknown, options: MapOptions) => {
      const { concurrency, timeout } = options;
      const items = itemsOf(key, list, options);
      const limit = concurrency === undefined ? {} : { concurrency };
      return ask({ kind: "map", key, definition: idOf(task), items, ...limit, ...timeoutOf(timeout) });
    },
    all: (list: readonly unknown[]) => handle(waits, new AllNode(list.map((wait) => nodeOf(wait, "ctx.all")))),
    race: (key: string, members: { readonly [name: string]: unknown }) => {
      check(key);
      const named = Object.entries(members).map(([name, wait]) => [name, nodeOf(wait, "ctx.race")] as const);
      if (named.length === 0) throw new TypeError(`The race ${JSON.stringify(key)} has no members.`);
      const race = new RaceNode(key, new Map(named));
      waits.race(race);
      return handle(waits, race);
    },
    start: async (key: string, definition: unknown, input?: unknown, options: { readonly key?: string } = {}) => {
      check(key);
      const known = recorded.get(key);
      if (known !== undefined) return { id: String(known) };
      const runKey = options.key === undefined ? {} : { runKey: options.key };
      const origin = originHere();
      return waits.underWay(async () => {
        try {
          const asked = { key, definition: idOf(definition), input: inputOf(input, key), ...runKey };
          const { runId } = await call("run.enqueue", asked);
          recorded.set(key, runId);
          return { id: runId };
        } catch (error) {
          throw placedAt(error, origin);
        }
      });
    },
  };
  return context as unknown as WaitContext;
}

function askedOf(job: ExternalJob) {
  const { service, connection, spec, ref } = job;
  const place = connection === undefined ? { service } : { service, connection };
  if (spec !== undefined) {
    const callsBack = JSON.stringify(spec).includes("{callback}");
    return callsBack ? { ...place, spec, callback: true as const } : { ...place, spec };
  }
  return ref === undefined ? { ...place, own: true as const } : { ...place, ref };
}

interface MapOptions {
  readonly key: (item: unknown, index: number) => unknown;
  readonly with?: (item: unknown, index: number) => unknown;
  readonly concurrency?: number;
  readonly timeout?: Duration | number;
}

function itemsOf(key: string, list: readonly unknown[], { key: identify, with: bind }: MapOptions) {
  if (typeof identify !== "function") {
    throw new TypeError(`The map ${JSON.stringify(key)} needs a key for its items: { key: (item) => item.id }.`);
  }
  return list.map((item, index) => {
    const name = String(identify(item, index));
    const input = inputOf(bind === undefined ? item : bind(item, index), `${key}[${name}]`);
    return { key: name, input };
  });
}

function handle(waits: Waits, node: WaitNode): Wait<unknown> {
  let outcome: Promise<unknown> | undefined;
  const settled = () => {
    outcome ??= waits.outcome(node);
    return outcome;
  };
  const wait = {
    // biome-ignore lint/suspicious/noThenProperty: it is a promise that knows whether anybody awaits it
    then: (onFulfilled?: (value: unknown) => unknown, onRejected?: (reason: unknown) => unknown) => {
      return settled().then(onFulfilled, onRejected);
    },
    catch: (onRejected?: (reason: unknown) => unknown) => settled().catch(onRejected),
    finally: (onFinally?: () => void) => settled().finally(onFinally),
    [Symbol.toStringTag]: "Wait",
  };
  nodes.set(wait, node);
  return wait as unknown as Wait<unknown>;
}

function nodeOf(wait: unknown, where: string): WaitNode {
  const node = typeof wait === "object" && wait !== null ? nodes.get(wait) : undefined;
  if (node !== undefined) return node;
  throw new TypeError(
    `${where} takes what ctx.sleep, ctx.call, ctx.map, ctx.external, ctx.waitForSignal, ctx.all and ctx.race answer.`,
  );
}

function idOf(definition: unknown): string {
  if (typeof definition === "string") return definition;
  const id = typeof definition === "object" && definition !== null && "id" in definition ? definition.id : undefined;
  if (typeof id === "string") return id;
  throw new TypeError("What is called is a task, a workflow, or the id of one.");
}

function inputOf(input: unknown, key: string): Json {
  return input === undefined ? {} : storedValue(input, `The input of ${JSON.stringify(key)}`);
}

function spanMs(duration: Duration | number, what: string): number {
  const ms = typeof duration === "number" ? duration : durationMs(duration);
  if (ms !== undefined && Number.isFinite(ms) && ms >= 0 && ms <= limits.spanMs) return Math.round(ms);
  throw new RangeError(`${what} takes a duration: "30s", "5m", "3h" or milliseconds, not ${JSON.stringify(duration)}.`);
}

function timeoutOf(timeout: Duration | number | undefined): { timeoutMs?: number } {
  return timeout === undefined ? {} : { timeoutMs: spanMs(timeout, "A timeout") };
}

function fitting(schema: StandardSchema | undefined, payload: Json, key: string): unknown {
  if (schema === undefined) return payload;
  const answer = schema["~standard"].validate(payload);
  if (answer instanceof Promise)
    throw new TypeError(`The schema of ${JSON.stringify(key)} answers later; it has to at once.`);
  if (answer.issues === undefined) return answer.value;
  throw new TypeError(`The signal of ${JSON.stringify(key)} does not fit: ${describeIssues(answer.issues)}`);
}
