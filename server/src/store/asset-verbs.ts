import type {
  AssetDeclaration,
  AssetEvent,
  AssetName,
  AssetRow,
  ConsumerPlace,
  ConsumerRow,
  UriConflict,
} from "../core/index.ts";
import type { EnqueueResult, EnqueueRow } from "./enqueue-rows.ts";
import type { StateVerbs } from "./state-verbs.ts";

// The part of the store that keeps assets, their events, and who is started by them. Events come by `transactState`, and declarations by
// `applyManifests`. Who takes events moves on and starts its run in one step, which compares the version that was seen: so each event is
// had once, however many nodes look (P3).

/** `changed`: ids whose current manifest it was not. `conflict`: two assets would have one URI; nothing was applied. */
export interface Applying {
  readonly changed: string[];
  readonly conflict?: UriConflict;
}

/** By its id, or by its URI while something declares it. */
export type AssetQuery = { readonly namespace: string } & ({ readonly id: string } | { readonly uri: string });

/** An asset with its lineage. `writers`: runs that wrote its values, marks and events last, the newest first, of those that are still there to see. */
export interface AssetDetail {
  readonly asset: AssetRow;
  readonly declarations: readonly AssetDeclaration[];
  readonly writers: readonly { readonly runId: string; readonly at: number }[];
  /** The number of the oldest event that is kept; null: none is. */
  readonly firstEvent: number | null;
}

/** A consumer with the assets that it asks for now, in the order in which it names them. */
export interface ConsumerDetail {
  readonly consumer: ConsumerRow;
  readonly places: readonly ConsumerPlace[];
  /** The current manifest of its definition. */
  readonly manifestHash: string | null;
  readonly paused: boolean;
}

/** What a consumer takes: of each of these assets the events up to `to`, for this run. */
export interface Consumption {
  readonly namespace: string;
  readonly definition: string;
  /** The one that was seen. */
  readonly version: number;
  readonly taken: readonly { readonly asset: string; readonly to: number }[];
  /** Whose input has these events. It starts by the manifest that is current, or nothing is taken. */
  readonly run: EnqueueRow;
}

/** `stale`: the consumer has another version, is paused or inactive, or another manifest is current; nothing happened. */
export type ConsumingResult =
  | { readonly outcome: "consumed"; readonly run: EnqueueResult }
  | { readonly outcome: "stale" };

export interface AssetVerbs {
  /** In the order of ids, from after `after`. Those that nothing declares only when asked for. */
  listAssets(args: { namespace: string; after?: string; inactive?: boolean; limitRows: number }): Promise<AssetRow[]>;
  /** Also one that nothing declares, by its id. */
  findAsset(args: AssetQuery): Promise<AssetDetail | undefined>;
  /** Events from after this number, in order; fewer where they are large (`limits.pageBytes`), never none where some are there. */
  listAssetEvents(args: AssetName & { after: number; limitRows: number }): Promise<AssetEvent[]>;
  /**
   * Consumers that are active and not paused and have what they wait for, in the order of their definitions, from after `after`. What it
   * reads grows with the consumers, never with events.
   */
  dueConsumers(args: { namespace: string; after?: string; limitRows: number }): Promise<ConsumerDetail[]>;
  findConsumer(args: { namespace: string; definition: string }): Promise<ConsumerDetail | undefined>;
  /** Takes events and starts the runs for them: a row wholly or not at all. Never waits for a consumer that somebody else is at. */
  consumeEvents(args: { rows: readonly Consumption[] }): Promise<ConsumingResult[]>;
  /** Says why a consumer in this version can start nothing, until it does, or is declared anew. */
  noteConsumer(args: {
    namespace: string;
    definition: string;
    version: number;
    problem: string;
  }): Promise<{ noted: boolean }>;
  /**
   * Deletes events that are older than `eventsMs` and that every active consumer has had, of each asset the oldest first, at most
   * `limitRows`.
   */
  pruneAssetEvents(args: { eventsMs: number; limitRows: number }): Promise<{ pruned: number; more: boolean }>;
  /**
   * Deletes an asset that nothing declares, with its values, marks, events and places, at most `limitRows` a call: `more` until all is
   * gone. `active`: something declares it, and it stays. `not_found`: there is none.
   */
  forgetAsset(args: AssetName & { limitRows: number }): Promise<{
    outcome: "forgotten" | "more" | "active" | "not_found";
  }>;
}

/** What outlives runs: state, and the assets that rest on it. */
export interface MemoryVerbs extends StateVerbs, AssetVerbs {}
