import type { Json, LogLine, Manifest, RunEvent } from "@holdfast/protocol";
import type {
  AssetDeclaration,
  AssetEvent,
  AssetRow,
  ConsumerRow,
  CursorRow,
  Edge,
  JobRow,
  LedgerEvent,
  ObligationRow,
  PauseRow,
  RunRow,
  ScheduleRow,
  SignalRow,
  StatePlace,
  StateRow,
  StateUse,
  WaitRow,
} from "../../core/index.ts";
import type { ObjectRow } from "../object-verbs.ts";
import type { DefinitionRow, MemberRow, Uniqueness } from "../store.ts";

// What changes in a memory store, row by row, so that it can be written down and done again (file/): every table notes what it
// does to its rows, and `restore` (restoring.ts) does it to another store's. Doing it again takes no clock, no chance and no
// decision. A table that noted less than it does would forget with the process: file/content.test.ts catches it.

/** An event without what its run says of it. */
export type NotedEvent = Pick<LedgerEvent, "number" | "type" | "at" | "data">;

/** A line of a log, its place in the order of writing, and when that was. */
export interface NotedLine {
  readonly line: LogLine;
  readonly place: number;
  readonly writtenAt: number;
}

/** What a name was first used for, until when. */
export interface NotedName extends Pick<Uniqueness, "hash"> {
  readonly runId: string;
  readonly until: number;
  /** What a request that controls something was answered, as JSON. */
  readonly answer?: string;
}

/** A limit without those who hold its slots. */
export interface NotedLimit {
  readonly id: string;
  readonly slots: number;
  readonly declared: boolean;
  readonly perMs?: number;
}

/** `isOver`: it holds nobody any more, and those at its gate are being let go. */
export interface NotedPause extends PauseRow {
  readonly isOver: boolean;
}

/** One step on the way from one content of a store to the next. */
export type Change =
  | { readonly is: "run"; readonly run: RunRow; readonly place: number }
  | {
      readonly is: "changed";
      readonly runId: string;
      readonly set: Partial<RunRow>;
      /** Fields that have no value any more. */
      readonly unset?: readonly string[];
    }
  | { readonly is: "edges"; readonly edges: readonly Edge[] }
  | { readonly is: "flipped"; readonly edges: readonly Edge[] }
  | { readonly is: "unflipped"; readonly edges: readonly Edge[] }
  | { readonly is: "removed"; readonly rootIds: readonly string[] }
  | { readonly is: "event"; readonly runId: string; readonly event: NotedEvent }
  | { readonly is: "topicsForgotten"; readonly before: number }
  | { readonly is: "line"; readonly kept: NotedLine }
  | { readonly is: "linesForgotten"; readonly before: number }
  | {
      readonly is: "step";
      readonly runId: string;
      readonly generation: number;
      readonly key: string;
      readonly value: Json;
    }
  | { readonly is: "state"; readonly row: StateRow }
  | { readonly is: "stateDeleted"; readonly place: StatePlace; readonly key: string }
  | { readonly is: "stateUse"; readonly use: StateUse }
  | { readonly is: "asset"; readonly asset: AssetRow }
  | { readonly is: "assetForgotten"; readonly namespace: string; readonly id: string }
  | { readonly is: "assetDeclared"; readonly declaration: AssetDeclaration }
  | { readonly is: "assetWithdrawn"; readonly namespace: string; readonly asset: string; readonly root: string }
  | { readonly is: "assetEvent"; readonly event: AssetEvent }
  | {
      readonly is: "assetEventsForgotten";
      readonly namespace: string;
      readonly id: string;
      readonly upTo: number;
    }
  | { readonly is: "consumer"; readonly consumer: ConsumerRow }
  | { readonly is: "cursor"; readonly cursor: CursorRow }
  | { readonly is: "object"; readonly object: ObjectRow }
  | { readonly is: "objectForgotten"; readonly name: string }
  | { readonly is: "wait"; readonly wait: WaitRow }
  | { readonly is: "waitEnded"; readonly runId: string; readonly generation: number; readonly key: string }
  | { readonly is: "job"; readonly job: JobRow }
  | { readonly is: "signal"; readonly signal: SignalRow }
  | { readonly is: "signalTaken"; readonly runId: string; readonly number: number }
  | { readonly is: "name"; readonly name: string; readonly kept: NotedName }
  | { readonly is: "namesForgotten"; readonly names: readonly string[] }
  | { readonly is: "limit"; readonly limit: NotedLimit }
  | { readonly is: "limitForgotten"; readonly id: string }
  | {
      readonly is: "slot";
      readonly limitId: string;
      readonly runId: string;
      readonly held: boolean;
      readonly freeAt?: number;
    }
  | { readonly is: "pause"; readonly pause: NotedPause }
  | { readonly is: "pauseForgotten"; readonly id: string }
  | { readonly is: "obligation"; readonly obligation: ObligationRow }
  | { readonly is: "schedule"; readonly schedule: ScheduleRow }
  | { readonly is: "scheduleWithdrawn"; readonly namespace: string; readonly id: string }
  | { readonly is: "member"; readonly member: MemberRow }
  | { readonly is: "memberForgotten"; readonly id: string }
  | { readonly is: "manifest"; readonly hash: string; readonly manifest: Manifest }
  | { readonly is: "definition"; readonly namespace: string; readonly row: DefinitionRow };

/** What only stands in the description of a whole content. */
export type Summary =
  | { readonly is: "lastPlaces"; readonly runs: number; readonly lines: number }
  | { readonly is: "endedRoots"; readonly roots: readonly { readonly id: string; readonly at: number }[] }
  | { readonly is: "events"; readonly runId: string; readonly events: readonly NotedEvent[] }
  | {
      readonly is: "topic";
      readonly namespace: string;
      /** The position of the first. */
      readonly from: number;
      /** An event of a run that is there by its run and number, another one whole. */
      readonly events: readonly (readonly [runId: string, number: number] | RunEvent)[];
    }
  | { readonly is: "topicEnd"; readonly namespace: string; readonly last: number }
  | { readonly is: "seenLines"; readonly runId: string; readonly identities: readonly string[] };

/** Where a table notes its changes; absent where nobody asks. */
export type Note = ((change: Change) => void) | undefined;

/** The fields in which a run's new row is not the old one. */
export function changedRun(before: RunRow, row: RunRow): Change {
  const set: Record<string, unknown> = {};
  const unset: string[] = [];
  for (const name of Object.keys(row) as (keyof RunRow)[]) {
    if (row[name] === before[name]) continue;
    if (row[name] === undefined) unset.push(name);
    else set[name] = row[name];
  }
  return { is: "changed", runId: row.id, set, ...(unset.length === 0 ? {} : { unset }) };
}
