import type { Store } from "../../server/src/store/store.ts";
import type { TestPostgres } from "../postgres.ts";
import type { Expected, Language } from "./workload.ts";

export type Victim =
  | "node killed"
  | "node stopped"
  | "child killed"
  | "child stopped"
  | "database killed"
  | "database stopped";

/** `point` undefined: at a random moment. */
export interface Strike {
  readonly point: string | undefined;
  readonly victim: Victim;
}

export interface CampaignOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly leaseMs: number;
  /** A schedule starts runs of its own all the while. */
  readonly pulse?: boolean;
  /** The store's address, once per campaign; it gets the campaign's folder. */
  readonly address: (folder: string) => Promise<string> | string;
  /** A client of the test's own on the store, opened once the first node runs. */
  readonly openStore: (address: string) => Promise<Store>;
  readonly concurrency?: number;
  /** Of its bodies; default TypeScript. */
  readonly language?: Language;
  /** No node of it ever hears a ring (PostgreSQL): polling alone has to do. */
  readonly deaf?: boolean;
  /** The server that database strikes are for. */
  readonly database?: TestPostgres;
}

/** A root that was asked for, by its key. */
export interface Root {
  readonly key: string;
  readonly definition: string;
  readonly expected: Expected;
  /** Undefined until the store has acknowledged it. */
  id: string | undefined;
  /** How often it was let start again after its end, as acknowledged. */
  restarts: number;
}
