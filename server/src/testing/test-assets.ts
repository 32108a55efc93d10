import { type AssetEventView, isAppError, type Json, limits } from "@holdfast/protocol";
import type { Asset } from "@holdfast/sdk";
import type { Services } from "../main.ts";

/** An asset of the tested definitions, or its id or URI. */
type Named = Asset | string;

/** Assets in a test: what somebody else tells of them, and what bodies have made of them. */
export class TestAssets {
  readonly #services: Pick<Services, "assets" | "state">;
  readonly #settle: () => Promise<void>;

  constructor({ services, settle }: { services: Pick<Services, "assets" | "state">; settle: () => Promise<void> }) {
    this.#services = services;
    this.#settle = settle;
  }

  /** Tells an event, as a person would, and answers its number. The runs that it starts begin when time goes on (`clock.advance`). */
  async emit(asset: Named, payload: Json, { key }: { readonly key?: string } = {}): Promise<number> {
    const event = { payload, ...(key === undefined ? {} : { key }) };
    const { number } = await this.#services.assets.emit(nameOf(asset), event);
    await this.#settle();
    return number;
  }

  /** Moves a watermark, as a person would. Answers whether it moved. */
  async advance(
    asset: Named,
    name: string,
    to: number | string | (number | string)[],
    { event, backwards }: { readonly event?: Json; readonly backwards?: true } = {},
  ): Promise<boolean> {
    const told = event === undefined ? {} : { event: { payload: event } };
    const back = backwards === undefined ? {} : { backwards };
    const { changed } = await this.#services.assets.advance(nameOf(asset), name, { to, ...told, ...back });
    await this.#settle();
    return changed;
  }

  /** How far it is, under this name (default `"mark"`). */
  async watermark(asset: Named, name = "mark"): Promise<Json | undefined> {
    return unlessAbsent(async () => (await this.#services.assets.watermark(nameOf(asset), name)).value);
  }

  /** A value of its state. */
  async value(asset: Named, key: string): Promise<Json | undefined> {
    return unlessAbsent(async () => (await this.#services.state.get({ kind: "asset", id: nameOf(asset) }, key)).value);
  }

  /** Its events behind number `after`, at most 1,000. */
  async events(asset: Named, after = 0): Promise<AssetEventView[]> {
    return (await this.#services.assets.events(nameOf(asset), { after, limit: limits.pageRows })).events;
  }
}

function nameOf(asset: Named): string {
  return typeof asset === "string" ? asset : asset.id;
}

async function unlessAbsent<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if (isAppError(error, "not_found")) return undefined;
    throw error;
  }
}
