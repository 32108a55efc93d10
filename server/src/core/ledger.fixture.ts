import assert from "node:assert/strict";
import { changesOf, type LedgerChanges, type LedgerEvent } from "./changes.ts";
import { claimed } from "./claims.ts";
import { Ledger } from "./ledger.ts";
import { belowOf, type Edge, type Expansion, type Finish, type FinishResult } from "./next.ts";
import { type Ending, isClaimable, type NewRun, type RunRow, startingRun } from "./run.ts";
import { isEnded, transition } from "./transitions.ts";

/** The smallest thing that can keep what ledgers decide: rows, edges and events in maps. */
export class LedgerBook {
  readonly rows = new Map<string, RunRow>();
  readonly events = new Map<string, LedgerEvent[]>();
  edges: Edge[] = [];
  now = 1_000;

  add(run: NewRun): RunRow {
    const row = startingRun(run, this.now);
    this.rows.set(row.id, row);
    this.events.set(row.id, [{ run: row, number: 1, type: "run.enqueued", at: this.now, data: null }]);
    return row;
  }

  row(id: string): RunRow {
    const row = this.rows.get(id);
    assert.ok(row, `run ${id} is there`);
    return row;
  }

  claim(id: string, memberId = "n1"): RunRow {
    const before = this.row(id);
    assert.ok(this.isClaimable(before), `run ${id} is claimable`);
    const { row, data } = claimed(before, memberId, this.now);
    const event: LedgerEvent = { run: row, number: row.lastEvent, type: "run.started", at: this.now, data };
    this.#write(changesOf({ updated: [row], events: [event] }));
    return row;
  }

  finish(...rows: readonly Finish[]): FinishResult[] {
    return this.#commit(
      rows.map(({ runId }) => runId),
      (ledger) => rows.map((row) => ledger.finish(row)),
    );
  }

  expand(row: Expansion): FinishResult {
    return this.#commit([row.runId], (ledger) => ledger.expand(row));
  }

  takeOver(id: string): boolean {
    return this.#commit([id], (ledger) => ledger.takeOver(id, { code: "member_gone", message: "Gone." }));
  }

  /** Answers how many live runs were reached: the run itself and at most `limitRows` below it. */
  order(id: string, ending: Ending, limitRows = Number.POSITIVE_INFINITY): number {
    return this.#commit([id], (ledger) => {
      if (ledger.order(id, ending, null)) this.#spreadBelow(ledger, [id], limitRows);
      return ledger.reached;
    });
  }

  /** Hands orders on; answers how many runs were reached. */
  spread(limitRows: number): number {
    const ids = [...this.rows.values()].filter((row) => row.spreading).map((row) => row.id);
    return this.#commit(ids, (ledger) => {
      this.#spreadBelow(ledger, ids, limitRows);
      return ledger.reached;
    });
  }

  /** As a store would let it be claimed: nothing of a tree in which an order is spreading. */
  isClaimable(row: RunRow): boolean {
    return (
      isClaimable(row) && ![...this.rows.values()].some(({ rootId, spreading }) => spreading && rootId === row.rootId)
    );
  }

  /** Throws where rows, edges and events contradict each other. */
  check(): void {
    const all = [...this.rows.values()];
    for (const row of all) {
      const children = all.filter(({ parentId }) => parentId === row.id);
      const open = children.filter(({ status }) => !isEnded(status)).length;
      assert.equal(row.openChildren, open, `${row.id} counts its open children`);
      assert.equal(total(row.children), children.length - open, `${row.id} counts its ended children`);
      const unflipped = this.edges.filter(({ downstream }) => downstream === row.id).length;
      assert.equal(row.blockedBy, unflipped, `${row.id} counts its edges`);
      if (!isEnded(row.status)) {
        if (row.status === "waiting") assert.ok(open > 0, `${row.id} waits for somebody`);
        if (row.status === "pending") assert.ok(unflipped > 0, `${row.id} is blocked by somebody`);
      } else assert.equal(open, 0, `${row.id} ended after all of its children`);
      const unreached = children.filter(({ status, ending }) => !isEnded(status) && ending === null);
      if (row.spreading) assert.equal(row.status, "cancelling", `${row.id} spreads an order`);
      else if (row.status === "cancelling") assert.deepEqual(unreached, [], `${row.id} has handed its order on`);
      assert.equal(
        row.claimedBy !== null,
        row.status === "running" || (row.status === "cancelling" && open === 0),
        row.id,
      );
      assert.equal(row.endedAt !== null, isEnded(row.status), row.id);
      const numbers = (this.events.get(row.id) ?? []).map(({ number }) => number);
      assert.deepEqual(
        numbers,
        numbers.map((_, index) => index + 1),
        `${row.id} has no holes in its history`,
      );
      assert.equal(row.lastEvent, numbers.length, `${row.id} counts its events`);
    }
  }

  #commit<T>(ids: readonly string[], decide: (ledger: Ledger) => T): T {
    const ledger = new Ledger(this.now);
    const rows = ids.flatMap((id) => this.rows.get(id) ?? []);
    ledger.load([...rows, ...rows.flatMap(({ parentId }) => this.rows.get(parentId ?? "") ?? [])]);
    const result = decide(ledger);
    for (let wanted = ledger.propagate(); wanted.length > 0; wanted = ledger.propagate()) {
      const edges = this.edges.filter(({ upstream }) => wanted.includes(upstream));
      const near = [...wanted.map((id) => ledger.row(id)?.parentId), ...edges.map(({ downstream }) => downstream)];
      ledger.link(wanted, { edges, rows: near.flatMap((id) => this.rows.get(id ?? "") ?? []) });
    }
    this.#write(ledger.changes());
    return result;
  }

  #write({ inserted, updated, newEdges, flippedEdges, events }: LedgerChanges): void {
    for (const row of inserted) assert.ok(!this.rows.has(row.id), `run ${row.id} is inserted once`);
    for (const row of updated) {
      const before = this.row(row.id);
      const { status, lastEvent } = before;
      if (isEnded(status)) assert.deepEqual([row.status, row.lastEvent], [status, lastEvent], `${row.id} stays ended`);
      assert.ok(row.epoch >= before.epoch && row.attempt >= before.attempt, `run ${row.id} does not go back`);
      if (before.status === "cancelling" && isEnded(row.status)) assert.equal(row.status, before.ending?.status);
    }
    for (const edge of flippedEdges) {
      assert.ok(this.edges.includes(edge), "an edge flips once");
      this.edges = this.edges.filter((other) => other !== edge);
    }
    this.edges.push(...newEdges);
    for (const row of [...inserted, ...updated]) this.rows.set(row.id, row);
    for (const event of events) this.events.set(event.run.id, [...(this.events.get(event.run.id) ?? []), event]);
    this.now += 1;
  }

  #spreadBelow(ledger: Ledger, ids: readonly string[], limitRows: number): void {
    let parents = ids.filter((id) => ledger.row(id)?.spreading === true);
    for (let left = limitRows; parents.length > 0 && left > 0; ) {
      const found = parents
        .flatMap((id) => [...this.rows.values()].filter(({ parentId }) => parentId === id))
        .filter(({ status, ending }) => !isEnded(status) && ending === null)
        .slice(0, left);
      ledger.load(found);
      parents = ledger.spread(belowOf(parents, found, left));
      left -= found.length;
    }
  }
}

/** True when an order would change something. */
export function canBeOrdered(row: RunRow): boolean {
  return transition(row.status, "cancel") !== "stale";
}

function total({ succeeded, failed, skipped }: RunRow["children"]): number {
  return succeeded + failed + skipped;
}
