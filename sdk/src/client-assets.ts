import {
  type AdvancedWatermark,
  type AdvanceWatermark,
  type AssetDetailView,
  type AssetEventPage,
  type AssetPage,
  advancedWatermarkSchema,
  assetDetailSchema,
  assetEventPageSchema,
  assetPageSchema,
  type ConsumerView,
  consumerViewSchema,
  type DeletedAsset,
  deletedAssetSchema,
  type EmitEvent,
  type EmittedEvent,
  emittedEventSchema,
  type RunAssets,
  runAssetsSchema,
} from "@holdfast/protocol";
import type { Question } from "./http-questions.ts";

/** Which assets are listed; `all`: also those that nothing declares any more. */
export interface AssetListing {
  readonly uri?: string;
  readonly all?: boolean;
  readonly after?: string;
  readonly limit?: number;
}

/** What people see and do of assets. An asset is named by its id or its URI. */
export interface AssetsPlane {
  /** In the order of ids. */
  list(query: AssetListing): Promise<AssetPage>;
  /** With its lineage. Rejects with `not_found`. */
  get(name: string): Promise<AssetDetailView>;
  events(name: string, query: { readonly after?: number; readonly limit?: number }): Promise<AssetEventPage>;
  /** Tells an event. */
  emit(name: string, request: EmitEvent): Promise<EmittedEvent>;
  /** Moves a watermark. */
  advance(name: string, mark: string, request: AdvanceWatermark): Promise<AdvancedWatermark>;
  /** Deletes one that nothing declares any more. */
  delete(name: string): Promise<DeletedAsset>;
  /** What a definition waits for whose runs events start. */
  consumer(definition: string): Promise<ConsumerView>;
  /** The assets that a run's task has declared. */
  ofRun(id: string): Promise<RunAssets>;
}

type Ask = <T>(question: Question<T>) => Promise<T>;

/** The same over HTTP. */
export function assetsOver(ask: Ask): AssetsPlane {
  const base = "/v1/assets";
  const of = (name: string) => `${base}/${encodeURIComponent(name)}`;
  const requestKey = () => crypto.randomUUID();
  return {
    list: ({ all, ...query }) =>
      ask({
        method: "GET",
        path: base,
        query: { ...query, ...(all === true ? { all: "true" } : {}) },
        answer: assetPageSchema,
      }),
    get: (name) => ask({ method: "GET", path: of(name), answer: assetDetailSchema }),
    events: (name, query) =>
      ask({ method: "GET", path: `${of(name)}/events`, query: { ...query }, answer: assetEventPageSchema }),
    emit: (name, body) =>
      ask({ method: "POST", path: `${of(name)}/events`, body, requestKey: requestKey(), answer: emittedEventSchema }),
    advance: (name, mark, body) => {
      const path = `${of(name)}/watermarks/${encodeURIComponent(mark)}`;
      return ask({ method: "PUT", path, body, requestKey: requestKey(), answer: advancedWatermarkSchema });
    },
    delete: (name) => ask({ method: "DELETE", path: of(name), answer: deletedAssetSchema }),
    consumer: (definition) =>
      ask({ method: "GET", path: `/v1/consumers/${encodeURIComponent(definition)}`, answer: consumerViewSchema }),
    ofRun: (id) => ask({ method: "GET", path: `/v1/runs/${encodeURIComponent(id)}/assets`, answer: runAssetsSchema }),
  };
}
