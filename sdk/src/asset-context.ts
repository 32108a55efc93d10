import { type ChannelCall, limits, type StateOpResult, textDefect } from "@holdfast/protocol";
import type { Advanced, AdvanceOptions, AnyAsset, AssetData, AssetEvent, EmitOptions, Emitted } from "./assets.ts";
import { definitionMark } from "./definition-mark.ts";
import { show } from "./options.ts";
import { describeIssues, type StandardSchema } from "./standard-schema.ts";
import type { StateChange, StepName } from "./state.ts";
import { ScopeState } from "./state-context.ts";
import { StateSchema } from "./state-schema.ts";
import type { StateSteps } from "./state-steps.ts";
import { storedValue } from "./stored-value.ts";

// The handles of assets that a body has. Whether its task has declared them is the control plane's to say.

const defaultEvents = 100;

/** What a context lends to the handles of its assets. */
export interface AssetPlace {
  readonly steps: StateSteps;
  readonly call: ChannelCall;
}

/** The handle of an asset: one that `asset(…)` made, or an id or a URI, of which nothing more is known here. */
export function assetHandle(place: AssetPlace, given: unknown): AnyAsset {
  const { id, options } = namedAsset(given);
  return new BodyAsset(place, id, options).handle();
}

function namedAsset(given: unknown): { readonly id: string; readonly options?: AssetData["options"] } {
  const data =
    typeof given === "object" && given !== null
      ? (given as { readonly [definitionMark]?: AssetData })[definitionMark]
      : undefined;
  if (data?.kind === "asset") return { id: data.options.id, options: data.options };
  const isName = typeof given === "string" && given !== "" && given.length <= limits.uriCharacters;
  if (isName && textDefect(given) === undefined) return { id: given };
  throw new TypeError(`ctx.asset takes an asset, or its id or URI, and was given ${show(given)}.`);
}

class BodyAsset {
  readonly #place: AssetPlace;
  readonly #id: string;
  /** Undefined: it is known by its name alone. */
  readonly #options: AssetData["options"] | undefined;
  readonly #scope: ScopeState;
  readonly #what: string;

  constructor(place: AssetPlace, id: string, options: AssetData["options"] | undefined) {
    this.#place = place;
    this.#id = id;
    this.#options = options;
    this.#what = `asset ${JSON.stringify(id)}`;
    const schema = new StateSchema(`ctx.asset(${JSON.stringify(id)})`, options?.state);
    this.#scope = new ScopeState(place.steps, { kind: "asset", id }, schema);
  }

  handle(): AnyAsset {
    const state = this.#scope.handle();
    const emit = (payload: unknown, { key }: EmitOptions = {}) => this.#emit(payload, key);
    const advance = (name: string, to: unknown, options: AdvanceOptions = {}) => this.#advance(name, to, options);
    const handle = {
      ...state,
      op: { ...state.op, emit, advance },
      emit: async (payload: unknown, options: EmitOptions & StepName = {}) =>
        emitted(await this.#scope.one(emit(payload, options), options)),
      advance: async (name: string, to: unknown, options: AdvanceOptions & StepName = {}) =>
        advanced(await this.#scope.one(advance(name, to, options), options)),
      watermark: (name = "mark") => this.#watermark(name),
      events: (options: { after?: number; limit?: number } = {}) => this.#events(options),
    };
    return handle as unknown as AnyAsset;
  }

  #emit(payload: unknown, key: string | undefined): StateChange {
    const said = this.#payload(payload);
    return this.#scope.change({ op: "emit", scope: { kind: "asset", id: this.#id }, payload: said, ...this.#key(key) });
  }

  #advance(name: string, to: unknown, { event, key, backwards }: AdvanceOptions): StateChange {
    if (key !== undefined && event === undefined)
      throw new TypeError(`"key" names the event that the watermark of ${this.#what} is told with, and there is none.`);
    const told = event === undefined ? {} : { event: { payload: this.#payload(event), ...this.#key(key) } };
    const back = backwards === true ? { backwards } : {};
    const scope = { kind: "watermark", id: this.#id } as const;
    return this.#scope.change({ op: "advance", scope, key: this.#mark(name), to: this.#to(to), ...told, ...back });
  }

  async #watermark(name: string): Promise<unknown> {
    const asked = { asset: this.#id, watermarks: [this.#mark(name)] };
    const { steps, call } = this.#place;
    const { watermarks } = await steps.during(undefined, () => call("asset.get", asked));
    return watermarks[0]?.value;
  }

  async #events({ after = 0, limit = defaultEvents }: { after?: number; limit?: number }): Promise<AssetEvent[]> {
    for (const [what, number, least] of [["after", after, 0] as const, ["limit", limit, 1] as const]) {
      if (Number.isSafeInteger(number) && number >= least && (what === "after" || number <= limits.pageRows)) continue;
      const most = what === "limit" ? ` to ${limits.pageRows}` : "";
      throw new RangeError(`"${what}" of events is ${String(number)}: a whole number from ${least}${most}.`);
    }
    const { steps, call } = this.#place;
    return steps.during(undefined, async () => {
      const found: AssetEvent[] = [];
      while (found.length < limit) {
        const from = found.at(-1)?.number ?? after;
        const { events } = await call("asset.events", { asset: this.#id, after: from, limit: limit - found.length });
        if (events.length === 0) break;
        found.push(...events);
      }
      return found;
    });
  }

  #mark(name: unknown): string {
    const isName = typeof name === "string" && name !== "" && name.length <= limits.stateKeyCharacters;
    if (isName && textDefect(name) === undefined) return name;
    const most = limits.stateKeyCharacters;
    throw new TypeError(`The name of a watermark of ${this.#what} is a text of 1 to ${most} characters.`);
  }

  #to(to: unknown): number | string | (number | string)[] {
    const what = `The watermark of ${this.#what}`;
    if (this.#options !== undefined && this.#options.watermark === undefined) {
      throw new TypeError(`${what} has no type: declare asset({ id: "${this.#id}", watermark: z.string() }).`);
    }
    if (to === undefined) throw new TypeError(`${what} cannot be set to undefined.`);
    const made = storedValue(checked(this.#options?.watermark, to, what), what);
    const parts = Array.isArray(made) ? made : [made];
    const fits = parts.length >= 1 && parts.length <= limits.watermarkParts;
    if (fits && parts.every((part) => typeof part === "number" || typeof part === "string"))
      return made as number | string;
    throw new TypeError(
      `${what} is a number, a text, or a list of 1 to ${limits.watermarkParts} of these, and was given ${show(made)}.`,
    );
  }

  #payload(payload: unknown) {
    const what = `What an event of ${this.#what} says`;
    if (payload === undefined) throw new TypeError(`${what} is undefined, which JSON cannot keep: say null.`);
    return storedValue(checked(this.#options?.event, payload, what), what);
  }

  #key(key: string | undefined): { key?: string } {
    if (key === undefined) return {};
    const isKey = typeof key === "string" && key !== "" && key.length <= limits.keyCharacters;
    if (isKey && textDefect(key) === undefined) return { key };
    throw new TypeError(`The key of an event of ${this.#what} is a text of 1 to ${limits.keyCharacters} characters.`);
  }
}

function checked(schema: StandardSchema | undefined, value: unknown, what: string): unknown {
  if (schema === undefined) return value;
  const answer = schema["~standard"].validate(value);
  if (answer instanceof Promise) throw new TypeError(`The schema of ${what} answers later; it has to at once.`);
  if (answer.issues === undefined) return answer.value;
  throw new TypeError(`${what} does not fit: ${describeIssues(answer.issues)}`);
}

function emitted({ number = 0, emitted: isNew }: StateOpResult): Emitted {
  return { number, existing: isNew !== true };
}

function advanced({ value = null, changed, number }: StateOpResult): Advanced {
  return { changed: changed === true, value, event: number ?? null };
}
