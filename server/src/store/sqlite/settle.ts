import {
  type Edge,
  isWithoutJobs,
  isWithoutWaits,
  Ledger,
  type LedgerChanges,
  type Links,
  type RunRow,
} from "../../core/index.ts";
import { type Connection, listText } from "./connection.ts";
import { appendEvents } from "./events.ts";
import { passGates } from "./gates.ts";
import { writeJobs } from "./job-rows.ts";
import { followObligations } from "./obligations.ts";
import { insertRun, loadRuns, restartRun, updateRun } from "./run-rows.ts";
import { waitsFor, writeWaits } from "./wait-rows.ts";

// P3  What core's ledger decides is written in the transaction that loaded the rows: the runs, their edges, their events.

/** A ledger over stored rows, which it reads as the ledger asks for them. */
export class StoredLedger {
  readonly #db: Connection;
  readonly ledger: Ledger;
  readonly #now: number;
  #admitted = 0;
  #jobs = { owed: 0, free: false };

  constructor(db: Connection, now: number) {
    this.#db = db;
    this.#now = now;
    this.ledger = new Ledger(now);
  }

  /** Loads runs, with the links of those whose end is to be expected, so that the usual case needs one query a batch. */
  load(ids: readonly string[]): void {
    const rows = loadRuns(this.#db, ids);
    this.ledger.load(rows);
    this.#link(rows);
  }

  take(rows: readonly RunRow[]): void {
    this.ledger.load(rows);
  }

  /** Carries every end on to parents and dependents. */
  settle(): void {
    for (let wanted = this.ledger.propagate(); wanted.length > 0; wanted = this.ledger.propagate()) {
      this.#link(wanted.map((id) => this.ledger.row(id)).filter((row) => row !== undefined));
    }
  }

  /** Writes everything. Answers what was written. */
  write(): LedgerChanges {
    const changes = this.ledger.changes();
    for (const run of changes.inserted) {
      // Ids of children are hashes of their place: one that is taken is a bug, or half of a 65-bit collision.
      if (!insertRun(this.#db, run)) throw new Error(`the run ${run.id} is there already`);
      // One that was called and given up by the same call has ended before it was ever there.
      if (run.endedAt !== null) updateRun(this.#db, run);
    }
    for (const restart of changes.restarted) restartRun(this.#db, restart);
    for (const run of changes.updated) updateRun(this.#db, run);
    for (const edge of changes.newEdges) insertEdge(this.#db, edge);
    for (const edge of changes.unflippedEdges) flipEdge(this.#db, edge, false);
    for (const edge of changes.flippedEdges) flipEdge(this.#db, edge, true);
    if (!isWithoutWaits(changes.waits)) writeWaits(this.#db, changes.waits, this.#now);
    appendEvents(this.#db, changes.events);
    if (!isWithoutJobs(changes.jobs)) this.#jobs = writeJobs(this.#db, changes.jobs, this.#now);
    followObligations(this.#db, changes.obligations);
    this.#admitted = passGates(this.#db, changes.gates, this.#now);
    return changes;
  }

  /** How many runs became claimable: known once it has been written. */
  get readied(): number {
    return this.ledger.readied + this.#admitted;
  }

  /** What became of jobs outside: known once it has been written. `owed`: how many are to end; `free`: somebody may track one. */
  get jobs(): { readonly owed: number; readonly free: boolean } {
    return this.#jobs;
  }

  #link(runs: readonly RunRow[]): void {
    const children = runs.filter((run) => run.parentId !== null);
    this.ledger.link(
      runs.map((run) => run.id),
      selectLinks(this.#db, children),
    );
    this.#linkWaits(children);
  }

  /** What bodies wait for, where one of these was called by a body that waits. */
  #linkWaits(children: readonly RunRow[]): void {
    const called = children.flatMap(({ parentId, parentGeneration, name }) => {
      const waits = parentId !== null && (this.ledger.row(parentId)?.waiting ?? null) !== null;
      return waits ? [{ parentId, parentGeneration, name }] : [];
    });
    if (called.length > 0) this.ledger.loadWaits({ waits: waitsFor(this.#db, called) });
  }
}

/** Unflipped edges that begin in these children, and the rows of their parents and dependents. */
function selectLinks(db: Connection, children: readonly RunRow[]): Links {
  // A root has no parent, and edges join children of one parent only.
  if (children.length === 0) return { edges: [], rows: [] };
  const edges = db.list<Edge>(
    `SELECT upstream, downstream FROM edges WHERE upstream IN (SELECT value FROM json_each(?)) AND flipped = 0`,
    listText(children.map((run) => run.id)),
  );
  const wanted = new Set(edges.map((edge) => edge.downstream));
  for (const { parentId } of children) if (parentId !== null) wanted.add(parentId);
  return { edges, rows: loadRuns(db, [...wanted]) };
}

function insertEdge(db: Connection, { upstream, downstream }: Edge): void {
  db.run("INSERT INTO edges (upstream, downstream) VALUES (?, ?)", upstream, downstream);
}

function flipEdge(db: Connection, { upstream, downstream }: Edge, isFlipped: boolean): void {
  const flipped = isFlipped ? 1 : 0;
  db.run("UPDATE edges SET flipped = ? WHERE upstream = ? AND downstream = ?", flipped, upstream, downstream);
}
