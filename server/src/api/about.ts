import { serverViewSchema } from "@holdfast/protocol";
import { type Route, route } from "./route.ts";

/** What the store says of itself. */
export interface StoreAnswer {
  readonly kind: string;
  readonly incarnation: string;
  readonly now: number;
}

export interface AboutOptions {
  readonly describeStore: () => Promise<StoreAnswer>;
  readonly namespace: string;
  readonly version: string;
}

/** `/v1/server`: what answers here. */
export function aboutRoutes({ describeStore, namespace, version }: AboutOptions): Route[] {
  return [
    route({
      method: "GET",
      path: "/v1/server",
      summary: "The version, the store and its clock.",
      errors: [],
      answer: serverViewSchema,
      handle: async () => {
        const { kind, incarnation, now } = await describeStore();
        return { version, store: kind, incarnation, namespace, now: new Date(now).toISOString() };
      },
    }),
  ];
}
