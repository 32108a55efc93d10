import type { StoreAnswer, StoreRequest } from "../remote/wire.ts";
import type { RingTopic, StoreVerb } from "../store.ts";

// What a store's thread serves: the one writer of a file or folder.

/** What calls came to: an answer each, and whom to wake. */
export interface Committed {
  readonly answers: StoreAnswer[];
  readonly rings: RingTopic[];
}

export interface Keeper {
  /**
   * Carries out calls in order, commits them together and answers them: what is answered is on the disk. `monotonicMs`: of the
   * process that asks. Called again only when the last call has been answered. Never rejects.
   */
  carryOut(requests: readonly StoreRequest[], clockNow: number, monotonicMs?: number): Committed | Promise<Committed>;
  /** Does a bounded piece of housekeeping, between calls. True while more is left. */
  tidy?(): boolean;
  /** Whole paths of the files that nobody else may touch while it is open, as they are now. */
  files(): readonly string[];
  /** Whether nothing is lost though somebody else has cut this file of its own. Absent: something is. */
  mayBeCut?(file: string): boolean;
  /** `isGone`: its files are others than they were, and nothing may be written to them. */
  close(options?: { readonly isGone?: boolean }): void;
}

/** What is to be served. */
export type KeeperOptions =
  | {
      readonly kind: "sqlite";
      readonly path: string;
      /** False: an older or absent schema is refused instead of brought up to date. */
      readonly migrate: boolean;
      /** The file grows to this many pages of 4 KiB at most, as if the disk ended there. */
      readonly maxPages?: number | undefined;
    }
  | {
      readonly kind: "file";
      /** Where its files lie. */
      readonly folder: string;
      /** False: an empty folder is refused. */
      readonly migrate: boolean;
    };

/** Verbs that change nothing where there is one owner; `sequenceEvents` is one, since events are in their log from the start. */
export const readingVerbs: ReadonlySet<StoreVerb> = new Set<StoreVerb>([
  "describe",
  "findDefinition",
  "listDefinitions",
  "findManifest",
  "knownObjects",
  "listOwed",
  "listObligations",
  "listClaimed",
  "findRun",
  "findRunIds",
  "findKeyedRuns",
  "listEnded",
  "listRuns",
  "listTree",
  "findScopes",
  "listChildOutputs",
  "listSteps",
  "listWaits",
  "listSignals",
  "listSchedules",
  "findSchedule",
  "findAnswer",
  "dueSchedules",
  "listMembers",
  "listPauses",
  "findPauses",
  "measureBacklog",
  "listEvents",
  "sequenceEvents",
  "listTopic",
  "listLogs",
  "listAssets",
  "findAsset",
  "listAssetEvents",
  "dueConsumers",
  "findConsumer",
]);
