import type { Json, StateOpResult } from "@holdfast/protocol";
import type { AssetEvent, AssetName, AssetRow } from "./asset-rows.ts";
import type { StateTransaction, StateWriter } from "./state-rows.ts";

// Events of assets, as transactions of state tell them, on assets that a store has locked.
//
// A1  Numbers of an asset's events have no holes and are in the order of commits: a transaction that is refused has used none up.
// A2  Under one key an asset tells one event, as long as that is kept.
// A3  Of an asset that no manifest declares nothing is told.

/** An asset as far as its events go. */
export type TellingAsset = Pick<AssetRow, "namespace" | "id" | "active" | "lastEvent">;

/** An event that was told under a key. */
export type KeyedEvent = Pick<AssetEvent, "namespace" | "asset" | "number"> & { readonly key: string };

/** What is to be told. */
interface Telling extends AssetName {
  readonly key: string | undefined;
  readonly payload: Json;
  readonly now: number;
  readonly writer: StateWriter | null;
}

/** An asset that an op is about, and the key of the event that it may tell. */
export interface TellingOp {
  readonly namespace: string;
  readonly asset: string;
  readonly key: string | undefined;
}

/** The ops of a transaction that are about assets' marks or events. */
export function tellingsOf({ namespace, ops }: Pick<StateTransaction, "namespace" | "ops">): TellingOp[] {
  return ops.flatMap((op) => {
    if (op.op !== "emit" && op.op !== "advance") return [];
    return { namespace, asset: op.scope.id, key: op.op === "emit" ? op.key : op.event?.key };
  });
}

/** What transactions of one book tell, one after another. */
export class EventBook {
  readonly #assets = new Map<string, TellingAsset>();
  readonly #keys = new Map<string, number>();
  readonly #told: AssetEvent[] = [];

  load(assets: readonly TellingAsset[], events: readonly KeyedEvent[]): void {
    for (const asset of assets) this.#assets.set(nameOf(asset), asset);
    for (const event of events) this.#keys.set(keyOf(event), event.number);
  }

  get told(): readonly AssetEvent[] {
    return this.#told;
  }

  isActive(name: AssetName): boolean {
    return this.#assets.get(nameOf(name))?.active === true;
  }

  lastEvent(name: AssetName): number {
    return this.#assets.get(nameOf(name))?.lastEvent ?? 0;
  }

  numberUnder(key: Omit<KeyedEvent, "number">): number | undefined {
    return this.#keys.get(keyOf(key));
  }

  /** Keeps what a transaction has told. */
  keep(draft: EventDraft): void {
    for (const event of draft.told) {
      const name = { namespace: event.namespace, id: event.asset };
      this.#assets.set(nameOf(name), { ...name, active: true, lastEvent: event.number });
      if (event.key !== null) this.#keys.set(keyOf({ ...event, key: event.key }), event.number);
      this.#told.push(event);
    }
  }
}

/** What one transaction tells. */
export class EventDraft {
  readonly told: AssetEvent[] = [];
  readonly #book: EventBook;

  constructor(book: EventBook) {
    this.#book = book;
  }

  isActive(name: AssetName): boolean {
    return this.#book.isActive(name);
  }

  /** Tells an event of an asset that is active. */
  tell({ namespace, id, key, payload, now, writer }: Telling): Pick<StateOpResult, "number" | "emitted"> {
    const known = key === undefined ? undefined : this.#numberUnder({ namespace, asset: id, key });
    if (known !== undefined) return { number: known, emitted: false };
    const before = this.told.findLast((event) => event.namespace === namespace && event.asset === id)?.number;
    const number = (before ?? this.#book.lastEvent({ namespace, id })) + 1;
    const by = writer === null ? null : { runId: writer.runId, epoch: writer.epoch, generation: writer.generation };
    this.told.push({ namespace, asset: id, number, key: key ?? null, payload, at: now, writer: by });
    return { number, emitted: true };
  }

  #numberUnder(key: Omit<KeyedEvent, "number">): number | undefined {
    const drafted = this.told.find(
      (event) => event.key === key.key && keyOf({ ...event, key: key.key }) === keyOf(key),
    );
    return drafted?.number ?? this.#book.numberUnder(key);
  }
}

function nameOf({ namespace, id }: AssetName): string {
  return JSON.stringify([namespace, id]);
}

function keyOf({ namespace, asset, key }: Omit<KeyedEvent, "number">): string {
  return JSON.stringify([namespace, asset, key]);
}
