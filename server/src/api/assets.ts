import {
  advancedWatermarkSchema,
  advanceWatermarkSchema,
  assetDetailSchema,
  assetEventPageSchema,
  assetPageSchema,
  consumerViewSchema,
  deletedAssetSchema,
  emitEventSchema,
  emittedEventSchema,
  limits,
  listAssetEventsQuerySchema,
  listAssetsQuerySchema,
  runAssetsSchema,
  stateViewSchema,
} from "@holdfast/protocol";
import type { Assets } from "../operations/assets.ts";
import { type Route, route } from "./route.ts";
import { idOf } from "./runs.ts";
import { keyOf } from "./state.ts";

/** JSON may escape every character of an event of the greatest size. */
const eventBodyBytes = 6 * limits.assetEventBytes + 16 * 1024;
const one = "/v1/assets/{id}";

/** `/v1/assets`. An asset is named by its id or its URI, as one part of the path: a `/` in it is written `%2F`. */
export function assetRoutes({ assets }: { assets: Assets }): Route[] {
  return [...reads(assets), ...writes(assets)];
}

function reads(assets: Assets): Route[] {
  return [
    route({
      method: "GET",
      path: "/v1/assets",
      summary: "Assets that definitions declare, in the order of their ids.",
      errors: [],
      query: listAssetsQuerySchema,
      answer: assetPageSchema,
      handle: ({ query }) => assets.list(query),
    }),
    route({
      method: "GET",
      path: one,
      summary:
        "One asset: how far it is, what reads and writes it, what its events start, and which runs wrote it last.",
      errors: ["not_found"],
      answer: assetDetailSchema,
      handle: ({ params }) => assets.get(idOf(params)),
    }),
    route({
      method: "GET",
      path: `${one}/events`,
      summary: "Events of an asset, in the order of their numbers.",
      errors: ["not_found"],
      query: listAssetEventsQuerySchema,
      answer: assetEventPageSchema,
      handle: ({ params, query }) => assets.events(idOf(params), query),
    }),
    route({
      method: "GET",
      path: `${one}/watermarks/{key}`,
      summary: "One watermark of an asset.",
      errors: ["not_found"],
      answer: stateViewSchema,
      handle: ({ params }) => assets.watermark(idOf(params), keyOf(params)),
    }),
    route({
      method: "GET",
      path: "/v1/runs/{id}/assets",
      summary: "The assets that a run's task has declared, and how far each is now.",
      errors: ["not_found", "ambiguous_id"],
      answer: runAssetsSchema,
      handle: ({ params }) => assets.ofRun(idOf(params)),
    }),
    route({
      method: "GET",
      path: "/v1/consumers/{id}",
      summary: "What a definition waits for whose runs events of assets start.",
      errors: ["not_found"],
      answer: consumerViewSchema,
      handle: ({ params }) => assets.consumer(idOf(params)),
    }),
  ];
}

function writes(assets: Assets): Route[] {
  const errors = ["not_found", "request_conflict", "invalid_input", "limit_exceeded"] as const;
  return [
    route({
      method: "POST",
      path: `${one}/events`,
      summary: "Tells an event of an asset.",
      errors,
      maxBodyBytes: eventBodyBytes,
      keeps: true,
      body: emitEventSchema,
      answer: emittedEventSchema,
      handle: ({ params, body, control }) => assets.emit(idOf(params), body, control),
    }),
    route({
      method: "PUT",
      path: `${one}/watermarks/{key}`,
      summary: "Moves a watermark of an asset up, and tells an event in the same commit where that is asked for.",
      errors: [...errors, "state_mismatch"],
      maxBodyBytes: eventBodyBytes,
      keeps: true,
      body: advanceWatermarkSchema,
      answer: advancedWatermarkSchema,
      handle: ({ params, body, control }) => assets.advance(idOf(params), keyOf(params), body, control),
    }),
    route({
      method: "DELETE",
      path: one,
      summary: "Deletes an asset that nothing declares any more, with its state, watermarks and events.",
      errors: ["not_found"],
      answer: deletedAssetSchema,
      handle: ({ params }) => assets.delete(idOf(params)),
    }),
  ];
}
