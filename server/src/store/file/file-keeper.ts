import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { AppError, isAppError } from "@holdfast/protocol";
import type { Committed, Keeper, KeeperOptions } from "../owned/keeper.ts";
import { readingVerbs } from "../owned/keeper.ts";
import { failureOf, type StoreAnswer, type StoreRequest } from "../remote/wire.ts";
import { SteadyTime } from "../steady-time.ts";
import type { RingTopic } from "../store.ts";
import { FileContent } from "./content.ts";
import { type Disk, diskAt, type FileHome } from "./disk.ts";
import { diskFailure } from "./failures.ts";
import { Journal } from "./journal.ts";
import { type Loaded, load, strangers } from "./loading.ts";

// The one writer of a file store: a memory whose changes are on the disk before anybody hears of them.
//
// P3  Calls that were waiting are carried out on the memory one after the other, and what they changed is one line of the
//     journal: kept whole or not at all, with one sync for everybody. Answers, those of readers too, wait for it: nobody sees
//     what a crash would take back.
// P9  The moment is written with every change; no commit, of this boot or a later one, is made at an earlier one.
//
// When a line cannot be kept, the memory is ahead of the disk: it is thrown away and read again. Then each call is tried
// alone, so that one that does not fit on the disk is not the others' loss.

/**
 * A journal is compacted when it has grown beyond its snapshot, or most of what stands in both is gone; and when they are
 * larger than this.
 */
const usualCompactionBytes = 16 * 1024 * 1024;
/** So much of a snapshot is written, and synced, between two commits. */
const usualSliceBytes = 1024 * 1024;
/** How much room is looked for before calls are carried out on a disk that was full: none of them is larger than this, mostly. */
const roomBytes = 64 * 1024;

export interface FileKeeperOptions extends Omit<Extract<KeeperOptions, { kind: "file" }>, "kind"> {
  readonly disk?: Disk;
  readonly compactionBytes?: number;
  readonly sliceBytes?: number;
}

/** Opens the store in a folder that is there. Throws AppErrors. `notice` is told what belongs in the log. */
export function openFileKeeper(options: FileKeeperOptions, now: number, notice: (text: string) => void): FileKeeper {
  const { folder } = options;
  try {
    return new FileKeeper({ ...options, disk: options.disk ?? diskAt(folder) }, now, notice);
  } catch (error) {
    throw diskFailure(error, folder);
  }
}

export class FileKeeper implements Keeper {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #notice: (text: string) => void;
  readonly #compactionBytes: number;
  readonly #sliceBytes: number;
  readonly #time: SteadyTime;
  #now: number;
  readonly #rung = new Set<RingTopic>();
  /** Undefined while the disk cannot be read again after a failure. */
  #open: { readonly content: FileContent; readonly journal: Journal } | undefined;
  #mustMove = false;
  /** What calls that write were refused with last; undefined once there was room again. */
  #refusal: AppError | undefined;
  /** After a compaction that failed, how many bytes there have to be for the next one. */
  #nextCompactionBytes = 0;

  constructor(options: FileKeeperOptions & { readonly disk: Disk }, now: number, notice: (text: string) => void) {
    const { disk, folder, migrate } = options;
    this.#disk = disk;
    this.#folder = folder;
    this.#notice = notice;
    this.#compactionBytes = options.compactionBytes ?? usualCompactionBytes;
    this.#sliceBytes = options.sliceBytes ?? usualSliceBytes;
    this.#now = now;
    const content = new FileContent({ now: () => this.#now }, this.#rung);
    const loaded = load(disk, folder, (changes) => content.restore(changes));
    if (loaded === undefined) this.#refuseOthers(migrate);
    this.#time = new SteadyTime(loaded?.at ?? now);
    this.#now = this.#time.tell(now, undefined);
    const journal = loaded === undefined ? Journal.create(disk, this.#sliceBytes, now) : this.#goOn(loaded);
    try {
      this.#open = { content, journal };
      const isCopy = loaded?.homes.some(({ file, home }) => !isAt(home, homeOf(disk, file))) === true;
      content.boot(isCopy ? randomUUID() : (content.incarnation ?? randomUUID()));
      journal.append(this.#now, content.take());
      if (isCopy) this.#move(journal, content);
    } catch (error) {
      journal.close();
      throw error;
    }
  }

  async carryOut(requests: readonly StoreRequest[], clockNow: number, monotonicMs?: number): Promise<Committed> {
    this.#now = this.#time.tell(clockNow, monotonicMs);
    const together = await this.#tryTogether(requests);
    if (!(together instanceof AppError)) return together;
    if (requests.length === 1) return refused(requests, together);
    const answers: StoreAnswer[] = [];
    const rings = new Set<RingTopic>();
    for (const request of requests) {
      const alone = await this.#tryTogether([request]);
      if (alone instanceof AppError) answers.push(...refused([request], alone).answers);
      else {
        answers.push(...alone.answers);
        for (const topic of alone.rings) rings.add(topic);
      }
    }
    return { answers, rings: [...rings] };
  }

  tidy(): boolean {
    if (this.#open === undefined || this.#mustMove) return false;
    const { journal, content } = this.#open;
    try {
      if (journal.isCompacting) return journal.continueCompaction();
      if (journal.bytes <= this.#nextCompactionBytes) return false;
      if (journal.bytes + journal.snapshotBytes <= this.#compactionBytes) return false;
      if (journal.bytes <= journal.snapshotBytes && !content.isMostlyGone) return false;
      journal.beginCompaction(content.whole(), this.#now);
      this.#nextCompactionBytes = 0;
      return true;
    } catch (error) {
      this.#giveUpCompaction(journal, error);
      if (journal.isDoubtful) this.#mustMove = true;
      return false;
    }
  }

  files(): readonly string[] {
    return ["store.lock", ...(this.#open?.journal.files ?? [])].map((name) => join(this.#folder, name));
  }

  close({ isGone = false }: { readonly isGone?: boolean } = {}): void {
    const journal = this.#open?.journal;
    this.#open = undefined;
    try {
      if (isGone) return;
      if (journal?.isCompacting === true) journal.abandonCompaction();
      if (!this.#mustMove) journal?.sayClosed();
    } catch (error) {
      this.#notice(`The store ${this.#folder} was closed, but could not be told so: ${textOf(error)}`);
    } finally {
      journal?.close();
    }
  }

  /** Carries out calls and keeps what they changed; an AppError when nothing of it could be kept. */
  async #tryTogether(requests: readonly StoreRequest[]): Promise<Committed | AppError> {
    let isAhead = false;
    try {
      const isWriting = requests.some(({ verb }) => !readingVerbs.has(verb));
      const { content, journal } = this.#ready(isWriting);
      isAhead = isWriting;
      this.#rung.clear();
      const answers = await Promise.all(requests.map((request) => content.carryOut(request)));
      content.sequence();
      const changes = content.take();
      if (changes.length > 0) journal.append(this.#now, changes);
      return { answers, rings: [...this.#rung] };
    } catch (error) {
      return this.#fail(error, isAhead);
    }
  }

  /** What is there, read again after a failure; for calls that write, with room to write to. */
  #ready(isWriting: boolean): { content: FileContent; journal: Journal } {
    this.#open ??= this.#reload();
    const { content, journal } = this.#open;
    if (!isWriting) return this.#open;
    if (this.#mustMove) this.#move(journal, content);
    if (this.#refusal !== undefined) journal.tryRoom(roomBytes);
    this.#refusal = undefined;
    return this.#open;
  }

  /** Where the memory may be ahead of the disk, it is given up; what the disk has is read before the next call. */
  #fail(error: unknown, isAhead: boolean): AppError {
    const failure = diskFailure(error, this.#folder);
    const told = isAppError(failure)
      ? failure
      : new AppError("internal", `The store ${this.#folder} failed: ${textOf(error)}`, { cause: error });
    const journal = this.#open?.journal;
    if (journal?.isDoubtful === true) this.#mustMove = true;
    if (isAhead) {
      this.#open = undefined;
      journal?.close();
    }
    this.#refusal = told;
    return told;
  }

  #reload(): { content: FileContent; journal: Journal } {
    const content = new FileContent({ now: () => this.#now }, this.#rung);
    const loaded = load(this.#disk, this.#folder, (changes) => content.restore(changes));
    if (loaded === undefined) throw new AppError("internal", `The files of the store ${this.#folder} are gone.`);
    content.goOn();
    return { content, journal: Journal.open(this.#disk, this.#sliceBytes, loaded) };
  }

  #goOn(loaded: Loaded): Journal {
    if (loaded.tornBytes > 0) {
      const last = loaded.journals.at(-1);
      this.#notice(
        `The store ${this.#folder} was cut off in the middle of a commit, which nobody was told had been kept: its` +
          ` ${loaded.tornBytes} bytes after byte ${last?.bytes} of journal-${last?.generation}.jsonl were removed.`,
      );
    }
    return Journal.open(this.#disk, this.#sliceBytes, loaded);
  }

  /** Writes everything to new files, at once. */
  #move(journal: Journal, content: FileContent): void {
    try {
      if (journal.isCompacting) journal.abandonCompaction();
      journal.beginCompaction(content.whole(), this.#now);
      while (journal.continueCompaction()) {
        // A piece at a time; nobody is served in between.
      }
      this.#mustMove = false;
    } catch (error) {
      if (journal.isCompacting) journal.abandonCompaction();
      throw error;
    }
  }

  #giveUpCompaction(journal: Journal, error: unknown): void {
    this.#nextCompactionBytes = journal.bytes * 2;
    this.#notice(
      `The journal of the store ${this.#folder} could not be compacted (${textOf(error)}). Nothing is lost; it is tried` +
        ` again when the journal has grown to twice its size.`,
    );
    try {
      journal.abandonCompaction();
    } catch {
      // What is left of it is removed at the next start.
    }
  }

  /** A store is made only where that is asked for, and where nothing else lies. */
  #refuseOthers(migrate: boolean): void {
    const others = strangers(this.#disk.list());
    if (others.length > 0) {
      throw new AppError("invalid_request", `The folder ${this.#folder} holds other files, such as ${others[0]}.`, {
        hint: "Name an empty folder for the store, or one that is not there yet.",
      });
    }
    if (migrate) return;
    throw new AppError("invalid_request", `There is no store in the folder ${this.#folder}.`, {
      hint: "Run `holdfast migrate`.",
    });
  }
}

function refused(requests: readonly StoreRequest[], error: AppError): Committed {
  return { answers: requests.map(({ id }) => ({ id, error: failureOf(error) })), rings: [] };
}

function homeOf(disk: Disk, name: string): FileHome {
  const file = disk.open(name);
  try {
    return file.home;
  } finally {
    file.close();
  }
}

/** A file that was copied has another inode; one whose folder was only renamed, or whose disk got another number, has not. */
function isAt(before: FileHome, now: FileHome): boolean {
  return before.inode === now.inode && (before.device === now.device || before.path === now.path);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
