import { AppError, type Json } from "@holdfast/protocol";
import { canonicalHash } from "../canonical.ts";
import type { OnceCall, OnceVerb, RequestName, Store } from "../store/store.ts";

// What is asked under an Idempotency-Key is done once and answered alike (DESIGN §3.6). Each effect lies with its answer in one
// transaction, under a part of the request; the whole answer is kept when all are there. Who repeats a request that was cut off goes
// through the same parts: those that are there answer, the rest is done.

const dayMs = 86_400_000;
/** The part under which the whole answer is kept. */
const whole = "answer";

/** The verbs of control, as one request carries them out. */
export interface Control extends Pick<Store, OnceVerb> {
  /** Whether a part of the request was carried out before: then its checks are over, whatever became of the runs. */
  readonly hasBegun: boolean;
  /** What is to be done, as it was found the first time. */
  agree<T extends Json>(find: () => Promise<T>): Promise<T>;
  /** The same for one of several things that are done by the request. */
  within(part: string): Control;
}

/** For callers whose answers cannot be lost on the way: nothing is kept. */
export function plainControl(store: Store): Control {
  const control: Control = {
    hasBegun: false,
    agree: (find) => find(),
    within: () => control,
    ...verbsOf((call) => {
      const carry = store[call.verb as OnceVerb] as (args: unknown) => Promise<unknown>;
      return carry.call(store, call.args);
    }),
  };
  return control;
}

type Call = Exclude<OnceCall, { readonly verb: "keep" }>;

function verbsOf(carry: (call: Call) => Promise<unknown>): Pick<Store, OnceVerb> {
  const of =
    <V extends OnceVerb>(verb: V) =>
    (args: Parameters<Store[V]>[0]) =>
      carry({ verb, args } as Call) as ReturnType<Store[V]>;
  return {
    orderEnd: of("orderEnd"),
    forceEnds: of("forceEnds"),
    restartRuns: of("restartRuns"),
    markRuns: of("markRuns"),
    pauseRuns: of("pauseRuns"),
    resumeRuns: of("resumeRuns"),
    pauseSchedule: of("pauseSchedule"),
    removeSchedule: of("removeSchedule"),
    transactState: of("transactState"),
    noteJobs: of("noteJobs"),
  };
}

/** Requests that come with a key. */
export class Requests {
  readonly #store: Store;
  readonly #namespace: string;

  constructor({ store, namespace }: { store: Store; namespace: string }) {
    this.#store = store;
    this.#namespace = namespace;
  }

  /** Does what `asked` says, or answers what the same request was answered before. Throws `request_conflict`. */
  async once(key: string, asked: Json, act: (control: Control) => Promise<unknown>): Promise<unknown> {
    const request = { namespace: this.#namespace, key, hash: canonicalHash(asked), retentionMs: dayMs };
    const answered = await this.#store.findAnswer({ ...request, part: whole });
    const begun = answered ?? (await this.#store.findAnswer({ ...request, part: "" }));
    if (begun !== undefined && begun.hash !== request.hash) throw conflict();
    if (answered !== undefined) return answered.answer;
    const answer = await act(this.#control(request, begun !== undefined, ""));
    return this.#carry({ ...request, part: whole }, { verb: "keep", args: JSON.parse(JSON.stringify(answer)) });
  }

  #control(request: Omit<RequestName, "part">, hasBegun: boolean, prefix: string): Control {
    let calls = 0;
    const nextPart = () => {
      const part = calls === 0 ? prefix : `${prefix}/${calls}`;
      calls += 1;
      return { ...request, part };
    };
    return {
      hasBegun,
      agree: async <T extends Json>(find: () => Promise<T>) => {
        const name = nextPart();
        const known = await this.#store.findAnswer(name);
        if (known?.answer !== undefined && known.hash === request.hash) return known.answer as T;
        return (await this.#carry(name, { verb: "keep", args: await find() })) as T;
      },
      within: (part) => this.#control(request, hasBegun, `${prefix}/${part}`),
      ...verbsOf((call) => this.#carry(nextPart(), call)),
    };
  }

  async #carry(request: RequestName, call: OnceCall): Promise<unknown> {
    const result = await this.#store.carryOutOnce({ request, call });
    if (result.outcome === "request_conflict") throw conflict();
    return result.answer;
  }
}

function conflict(): AppError {
  return new AppError("request_conflict", "This Idempotency-Key was used for another request.", {
    hint: "Use a new key for each thing that is to be done.",
  });
}
