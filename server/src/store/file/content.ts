import { admitText } from "../admission.ts";
import { Memory } from "../memory/memory.ts";
import { storeOn } from "../memory/memory-store.ts";
import { contentOf, restore } from "../memory/restoring.ts";
import { failureOf, type StoreAnswer, type StoreRequest } from "../remote/wire.ts";
import type { RingTopic, Store } from "../store.ts";
import { type FileChange, format } from "./lines.ts";
import { type Household, joinMember, judgeMembers, listMembers, type Residence, renewMember } from "./membership.ts";

/** What a file store holds: a memory, the owner's boots, and where members live. It notes what changes. */
export class FileContent {
  readonly #memory: Memory;
  readonly #store: Store;
  readonly #residences = new Map<string, Residence>();
  #noted: FileChange[] = [];
  /** Changes that are only done again are not noted. */
  #isNoting = false;
  #boot = 0;
  #bootAt = 0;
  #incarnation: string | undefined;
  /** Runs that were inserted since the whole content was asked for last, and those that it had. */
  #writtenRuns = 0;

  /** `rung` gets what rings. */
  constructor(clock: { now(): number }, rung: Set<RingTopic>) {
    this.#memory = new Memory(clock, {}, (change) => {
      if (change.is === "memberForgotten") this.#residences.delete(change.id);
      if (change.is === "run") this.#writtenRuns += 1;
      if (this.#isNoting) this.#noted.push(change);
    });
    this.#memory.bell.listen((topics) => {
      for (const topic of topics) rung.add(topic);
    });
    this.#store = storeOn(this.#memory, () => ({
      kind: "file",
      incarnation: this.#incarnation ?? "",
      schemaVersion: format,
      timedLeases: false,
    }));
  }

  get incarnation(): string | undefined {
    return this.#incarnation;
  }

  /** Does the changes of a line again. */
  restore(changes: readonly FileChange[]): void {
    for (const change of changes) {
      if (change.is === "boot") {
        this.#boot = change.boot;
        this.#incarnation = change.incarnation;
      } else if (change.is === "residence") {
        this.#residences.set(change.id, { boot: change.boot, remote: change.remote });
      } else restore(this.#memory, change);
    }
    this.sequence();
  }

  /** Begins the owner's next boot. */
  boot(incarnation: string): void {
    this.goOn();
    this.#incarnation = incarnation;
    this.#boot += 1;
    this.#noted.push({ is: "boot", boot: this.#boot, incarnation });
  }

  /** All that was to be done again has been done: from now on changes are noted. */
  goOn(): void {
    this.#isNoting = true;
    this.#bootAt = this.#memory.now();
  }

  /** Carries out a call at once; what it changed is noted. Never rejects. */
  async carryOut(request: StoreRequest): Promise<StoreAnswer> {
    try {
      return { id: request.id, result: await this.#run(request) };
    } catch (error) {
      return { id: request.id, error: failureOf(error) };
    }
  }

  /** Puts events into their log: with one writer, the order of commits is there from the start. */
  sequence(): void {
    void this.#memory.events.sequence(Number.POSITIVE_INFINITY);
  }

  /** What has changed since this was asked last. */
  take(): FileChange[] {
    const noted = this.#noted;
    this.#noted = [];
    return noted;
  }

  /** True when most runs of which the files tell are not there any more. */
  get isMostlyGone(): boolean {
    return this.#memory.runs.count * 2 < this.#writtenRuns;
  }

  /** Everything that is here, as it is at the call. */
  whole(): Iterable<FileChange> {
    this.#writtenRuns = this.#memory.runs.count;
    const boot: FileChange[] = [{ is: "boot", boot: this.#boot, incarnation: this.#incarnation ?? "" }];
    const residences = [...this.#residences].map(([id, place]): FileChange => ({ is: "residence", id, ...place }));
    const rows = contentOf(this.#memory);
    return (function* () {
      yield* boot;
      yield* residences;
      yield* rows;
    })();
  }

  async #run({ verb, args, remote = false }: StoreRequest): Promise<unknown> {
    switch (verb) {
      case "joinMember":
        admitText([args]);
        return joinMember(this.#household(), args as Parameters<Store["joinMember"]>[0], remote);
      case "renewMember":
        return renewMember(this.#household(), args as Parameters<Store["renewMember"]>[0], remote);
      case "listMembers":
        return listMembers(this.#household(), (args as Parameters<Store["listMembers"]>[0]).namespace);
      case "judgeMembers":
        return judgeMembers(this.#household(), args as Parameters<Store["judgeMembers"]>[0]);
      default: {
        const method = this.#store[verb] as (this: Store, args: unknown) => Promise<unknown>;
        return method.call(this.#store, args);
      }
    }
  }

  #household(): Household {
    return {
      memory: this.#memory,
      residences: this.#residences,
      boot: this.#boot,
      bootAt: this.#bootAt,
      settle: (id, residence) => {
        this.#residences.set(id, residence);
        this.#noted.push({ is: "residence", id, ...residence });
      },
    };
  }
}
