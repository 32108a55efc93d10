import { Chance } from "../contract/chance.contract.ts";
import { storeHistories } from "../contract/histories.contract.ts";
import { remoteStore, type StoreLink } from "../remote/remote-store.ts";
import type { StoreAnswer } from "../remote/wire.ts";
import { errorOf } from "../remote/wire.ts";
import type { MemberRow, RingTopic, StoreVerb } from "../store.ts";
import { SimulatedDisk, systemError } from "./disk.fixture.ts";
import { FileKeeper } from "./file-keeper.ts";

// Histories on a store that is closed and opened, killed with loss of what was not synced, or refused by its disk, between the
// calls: after each of these it has to be what it was.
// Faults to catch: a table that does not note a change (say, `flipEdges`, or the names that `prune` forgets), a snapshot that
// leaves out a table or a counter, a call of which a part stays in memory though its line was refused, an answer before its
// sync, a line that is not done again after a torn one was cut off.

const start = 1_800_000_000_000;

/** A store whose process has bad luck all the time. */
class UnluckyLink implements StoreLink {
  readonly ended = false;
  readonly #chance: Chance;
  #disk = new SimulatedDisk();
  #keeper: FileKeeper;
  now = start;

  constructor(seed: number) {
    this.#chance = new Chance(seed);
    this.#keeper = this.#boot();
  }

  async call(verb: StoreVerb, args: unknown): Promise<unknown> {
    if (this.#chance.happens(0.15)) await this.#suffer(verb, args);
    // Members are another process's, so that they outlive the owner.
    const answer = await this.#ask(verb, args);
    for (let pieces = this.#chance.below(3); pieces > 0; pieces--) this.#keeper.tidy();
    if (answer.error !== undefined) throw errorOf(answer.error);
    return answer.result;
  }

  ring(_topics: readonly RingTopic[]): void {}

  onRing(): () => void {
    return () => {};
  }

  async close(): Promise<void> {
    this.#keeper.close();
  }

  async #suffer(verb: StoreVerb, args: unknown): Promise<void> {
    const misfortune = this.#chance.pick(["full", "failing", "crash", "close"]);
    if (misfortune === "full") {
      this.#disk.capacity = this.#disk.usedBytes() + this.#chance.below(60);
      await this.#ask(verb, args);
      this.#disk.capacity = Number.POSITIVE_INFINITY;
      return;
    }
    if (misfortune === "failing") {
      const failing = this.#chance.pick(["append", "sync"]);
      this.#disk.beforeStep = (step) => {
        if (step.startsWith(failing)) throw systemError("EIO", "write");
      };
      await this.#ask(verb, args);
      this.#disk.beforeStep = () => {};
      return;
    }
    if (misfortune === "close") this.#keeper.close();
    const members = await this.#members();
    this.#disk = misfortune === "close" ? this.#disk.copy() : this.#disk.afterCrash(this.#chance);
    this.#keeper = this.#boot();
    for (const { id, leaseUntil } of members) {
      await this.#ask("renewMember", { id, leaseMs: leaseUntil - this.now });
    }
  }

  async #members(): Promise<MemberRow[]> {
    const { result } = await this.#ask("listMembers", { namespace: "shop" });
    return (result as MemberRow[]).filter(({ endedAt }) => endedAt === null);
  }

  #boot(): FileKeeper {
    const options = { disk: this.#disk, folder: "/simulated", migrate: true, compactionBytes: 20_000 };
    return new FileKeeper(options, this.now, () => {});
  }

  async #ask(verb: StoreVerb, args: unknown): Promise<StoreAnswer> {
    const request = JSON.parse(JSON.stringify({ id: 1, verb, args, remote: true }));
    const { answers } = await this.#keeper.carryOut([request], this.now);
    const [answer] = answers;
    if (answer === undefined) throw new Error("no answer");
    return JSON.parse(JSON.stringify(answer)) as StoreAnswer;
  }
}

storeHistories(
  "file stores that suffer",
  {
    clock: "held",
    timedLeases: false,
    second: false,
    async open(seed = 1) {
      const link = new UnluckyLink(seed);
      const advance = (ms: number) => {
        link.now += ms;
      };
      return { store: remoteStore(link), advance, close: () => link.close() };
    },
  },
  { histories: 12, calls: 250 },
);
