import type { AssetDetail } from "../store/asset-verbs.ts";
import type { Store } from "../store/store.ts";
import { undeclaredAsset } from "./asset-answers.ts";

/** Finds assets by what people call them. Ids have no colon, and URIs begin with their scheme. */
export class AssetNames {
  readonly #store: Store;
  readonly #namespace: string;

  constructor({ store, namespace }: { store: Store; namespace: string }) {
    this.#store = store;
    this.#namespace = namespace;
  }

  /** An asset that is declared, by its id or its URI. Throws `not_found`, of one that nothing declares any more as well. */
  async find(name: string): Promise<AssetDetail> {
    const found = await this.findAny(name);
    if (found?.asset.active === true) return found;
    throw undeclaredAsset(name);
  }

  /** Also one that nothing declares, by its id. */
  async findAny(name: string): Promise<AssetDetail | undefined> {
    const namespace = this.#namespace;
    return this.#store.findAsset(name.includes(":") ? { namespace, uri: name } : { namespace, id: name });
  }
}
