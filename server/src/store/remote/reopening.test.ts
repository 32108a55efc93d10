// Faults to catch: members whose process outlives the store's owner are taken for dead by the next owner, and what they run is
// taken over, because nobody told it that they are there; whoever listens through a link does not look for what was rung while it was away.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { AppError } from "@holdfast/protocol";
import { DirectLink } from "../owned/direct.fixture.ts";
import { inFolder } from "../owned/folder.fixture.ts";
import { call, joinNode, open, start } from "../sqlite/database.fixture.ts";
import type { RingTopic, StoreVerb } from "../store.ts";
import type { StoreLink } from "./remote-store.ts";
import { ReopeningLink } from "./reopening.ts";

/** A client's way to an owner, which can be cut. */
class Cuttable implements StoreLink {
  readonly #direct: DirectLink;
  readonly #onExit: () => void;
  ended = false;

  constructor(direct: DirectLink, onExit: () => void) {
    this.#direct = direct;
    this.#onExit = onExit;
  }

  async call(verb: StoreVerb, args: unknown): Promise<unknown> {
    if (this.ended) throw new AppError("store_unavailable", "cut");
    return this.#direct.call(verb, args, true);
  }

  ring(topics: readonly RingTopic[]): void {
    this.#direct.ring(topics);
  }

  onRing(listener: (topics: readonly RingTopic[]) => void): () => void {
    return this.#direct.onRing(listener);
  }

  cut(): void {
    this.ended = true;
    this.#onExit();
  }

  async close(): Promise<void> {}
}

test("the next owner is told of the members behind a link before anything else, and judges none of them", () =>
  inFolder(async (folder) => {
    const path = join(folder, "store.db");
    const clock = { now: () => start };
    const before = open(path);
    let owner = new DirectLink(before, clock);
    let link: Cuttable | undefined;
    const reopening = new ReopeningLink({
      open: async (onExit) => {
        link = new Cuttable(owner, onExit);
        return link;
      },
      patienceMs: 60_000,
      unavailable: () => new Error("nobody"),
    });
    await reopening.start();
    for (const id of ["stays", "leaves"]) {
      const member = { id, kind: "node", name: id, namespace: "shop", serves: null, leaseMs: 15_000 };
      await reopening.call("joinMember", member);
    }
    await reopening.call("leaveMember", { id: "leaves" });
    const heard = new Set<RingTopic>();
    reopening.onRing((topics) => topics.forEach((topic) => void heard.add(topic)));
    before.close();
    const after = open(path);
    owner = new DirectLink(after, clock);
    link?.cut();
    await reopening.call("describe", undefined);
    assert.deepEqual([...heard].sort(), ["assets", "cancelling", "ended", "events", "jobs", "ready"]);
    joinNode(after, "owner");
    const judging = { by: "owner", limitRows: 10 };
    assert.deepEqual(call(after, "judgeMembers", judging, start + 6_000), { judged: [], taken: 0, more: false });
    await reopening.close();
    after.close();
  }));
