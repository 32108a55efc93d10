import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import type { Socket } from "node:net";
import {
  type AppError,
  type CodeFile,
  channelVersion,
  encodeFrame,
  FrameDecoder,
  fileStamp,
  helloSchema,
  isAppError,
  limits,
} from "@holdfast/protocol";
import { withoutForeign } from "../../descriptors.ts";
import type { Guard } from "../../guard.ts";
import type { ProcessEnd } from "./exit-words.ts";
import { removeInput } from "./input-folder.ts";
import { listProcesses } from "./process-list.ts";
import { errorReply } from "./replies.ts";

/** What a child process is started with. */
export interface ChildCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** The project's root; also the working folder. */
  readonly projectRoot: string;
  /** The whole environment: nothing else is passed on. */
  readonly environment: Readonly<Record<string, string>>;
  /** A plain command: it may say hello on the channel and need not, and may close it. */
  readonly plain?: true;
  /** How long it may take to say hello, where that is longer than usual. */
  readonly helloMs?: number;
  /** A file that is this child's only, removed when it is gone. */
  readonly inputFile?: string;
}

/** Who hears a child. Set by whoever has it: the pool, then the supervisor of its activation. */
export interface ChildListener {
  /** It has said hello and may be given an activation. */
  ready(): void;
  frame(frame: unknown): void;
  output(stream: "stdout" | "stderr", bytes: Buffer): void;
  /** It has ended, its whole group is gone, and all its output has been given. */
  gone(end: ChildEnd): void;
}

export interface ChildEnd extends ProcessEnd {
  /** Why it could not be started, or what it said that cannot be understood. */
  readonly fault?: string;
}

const channelFd = 3;
const drainMs = 1_000;
const goneMs = 2_000;
/** From the channel's end to the process's own. */
const silentMs = 2_000;
/** Of answers that the process has not read; beyond, its calls wait. */
const unreadBytes = 4 * 1024 * 1024;
const gonePollMs = 5;

/** A child process: leader of a group of its own, with a channel on descriptor 3. */
export class Child {
  listener: ChildListener;
  /** True from its hello on. */
  ready = false;
  /** True once it has loaded a module: it loads no other. */
  hasLoaded = false;
  /** False once it is known to have ended or is being ended. */
  alive = true;
  /** What it was last used for; a warm child is given only the same again. */
  useKey = "";
  /** The code that it has loaded, as it says: by path, with each file's stamp. */
  readonly #code = new Map<string, string>();
  readonly #process: ChildProcess;
  readonly #channel: Socket | undefined;
  readonly #decoder = new FrameDecoder();
  readonly #guard: Guard;
  readonly #start: ChildCommand;
  #unsent: Buffer[] = [];
  #unsentBytes = 0;
  #room: Promise<void> | undefined;
  #stopped = false;
  #fault: string | undefined;
  #end: ProcessEnd | undefined;
  #streamsOpen = 2;
  #endStreams: () => void = () => undefined;
  readonly #closed = Promise.withResolvers<void>();

  constructor(start: ChildCommand, guard: Guard, listener: ChildListener) {
    this.listener = listener;
    this.#guard = guard;
    this.#start = start;
    const options: SpawnOptions = {
      cwd: start.projectRoot,
      env: { ...start.environment, HOLDFAST_CHANNEL_FD: String(channelFd) },
      detached: true,
      stdio: withoutForeign(["ignore", "pipe", "pipe", "pipe"]),
    };
    this.#process = spawn(start.command, start.args, options);
    if (this.#process.pid !== undefined) guard.add(this.#process.pid);
    this.#process.once("error", (error) => this.#notStarted(error));
    this.#process.once("exit", (code, signal) => void this.#exited({ code, signal }));
    this.#channel = this.#process.stdio[channelFd] as unknown as Socket | undefined;
    this.#channel?.on("data", (bytes: Buffer) => this.#receive(bytes));
    this.#channel?.on("error", () => undefined); // it is ending: "exit" follows
    this.#channel?.once("end", () => this.#silent());
    this.#listen("stdout");
    this.#listen("stderr");
  }

  /** Resolves with `gone`. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** See ChildCommand. */
  get helloMs(): number | undefined {
    return this.#start.helloMs;
  }

  /** Remembers what it has loaded. */
  noteCode(files: readonly CodeFile[]): void {
    for (const { path, stamp } of files) this.#code.set(path, stamp);
  }

  /** False when a file that it has loaded is not as it was: what it would run is not what is on disk. */
  hasCurrentCode(): boolean {
    if (this.#code.size > limits.codeFiles) return false;
    for (const [path, stamp] of this.#code) {
      if (fileStamp(statSync(path, { throwIfNoEntry: false })) !== stamp) return false;
    }
    return true;
  }

  /** Frames of one turn leave in one write. */
  send(frame: unknown): void {
    const bytes = encodeFrame(frame);
    this.#unsentBytes += bytes.length;
    if (this.#unsent.push(bytes) === 1) setImmediate(() => this.#flush());
  }

  /** Resolves once it has read enough of what was sent that more may be; undefined: it has. Also when it has ended. */
  room(): Promise<void> | undefined {
    const channel = this.#channel;
    if (channel === undefined || channel.destroyed || this.#unsentBytes + channel.writableLength < unreadBytes) {
      return undefined;
    }
    this.#flush();
    if (channel.writableLength < unreadBytes) return undefined;
    this.#room ??= new Promise<void>((resolve) => {
      const done = () => {
        channel.off("drain", done).off("close", done);
        this.#room = undefined;
        resolve();
      };
      channel.once("drain", done).once("close", done);
    });
    return this.#room;
  }

  /** Stops reading what it says on the channel, until `hear`. */
  deafen(): void {
    this.#channel?.pause();
  }

  hear(): void {
    this.#channel?.resume();
  }

  /** SIGSTOP to the whole group. */
  freeze(): void {
    this.#stopped = true;
    this.#signal("SIGSTOP");
  }

  /** SIGCONT to the whole group, also when someone else has stopped it. */
  wake(): void {
    this.#stopped = false;
    this.#signal("SIGCONT");
  }

  /** TERM to the whole group; a frozen one would not hear it, so it is killed. */
  terminate(): void {
    this.alive = false;
    this.#signal(this.#stopped ? "SIGKILL" : "SIGTERM");
  }

  /** KILL to the whole group. */
  kill(): void {
    this.alive = false;
    this.#signal("SIGKILL");
  }

  #signal(signal: NodeJS.Signals): void {
    // After its leader was reaped, the number may belong to others.
    if (this.#end !== undefined || this.pid === 0) return;
    signalGroup(this.pid, signal);
  }

  #flush(): void {
    const all = this.#takeUnsent();
    if (all.length > 0 && this.#channel?.writable) this.#channel.write(all);
  }

  #takeUnsent(): Buffer {
    const all = Buffer.concat(this.#unsent);
    this.#unsent = [];
    this.#unsentBytes = 0;
    return all;
  }

  #receive(bytes: Buffer): void {
    if (this.#fault !== undefined) return;
    try {
      for (const frame of this.#decoder.push(bytes)) this.#take(frame);
    } catch (error) {
      if (!isAppError(error)) throw error;
      this.#refuse(error);
    }
  }

  #take(frame: unknown): void {
    if (this.ready) {
      this.listener.frame(frame);
      return;
    }
    const hello = helloSchema.safeParse(frame);
    if (!hello.success) {
      this.fault("It did not say hello first.");
      return;
    }
    const [oldest, newest] = hello.data.params.versions;
    if (oldest > channelVersion || newest < channelVersion) {
      this.fault(`It speaks the channel's versions ${oldest} to ${newest}; this node speaks ${channelVersion}.`);
      return;
    }
    this.ready = true;
    this.send({
      jsonrpc: "2.0",
      method: "welcome",
      params: { version: channelVersion, projectRoot: this.#start.projectRoot },
    });
    this.listener.ready();
  }

  /** An undecodable frame: nothing after it can be trusted. */
  #refuse(error: AppError): void {
    this.#unsent.push(encodeFrame(errorReply(null, error)));
    this.fault(`It sent what is no message: ${error.message}`);
  }

  /** Ends the process because of what it said. What was to be sent to it is sent first. */
  fault(reason: string): void {
    this.#fault ??= reason;
    this.alive = false;
    const all = this.#takeUnsent();
    if (all.length > 0 && this.#channel?.writable) this.#channel.write(all, () => this.kill());
    else this.kill();
    // A child that does not read must not live on by that.
    setTimeout(() => this.kill(), drainMs).unref();
  }

  /** The channel ends with the process; a process that only closes it can say nothing more, and its body may hang on that. */
  #silent(): void {
    if (this.#start.plain === true && !this.ready) return;
    setTimeout(() => {
      if (this.#end === undefined) this.fault("It closed its end of the channel.");
    }, silentMs).unref();
  }

  #listen(stream: "stdout" | "stderr"): void {
    const readable = this.#process[stream];
    readable?.on("data", (bytes: Buffer) => this.listener.output(stream, bytes));
    readable?.on("error", () => undefined);
    readable?.once("close", () => {
      this.#streamsOpen--;
      if (this.#streamsOpen === 0) this.#endStreams();
    });
  }

  #notStarted(error: Error): void {
    if (this.#process.pid !== undefined) return;
    this.alive = false;
    this.#gone({ code: null, signal: null, fault: `It could not be started: ${error.message}` });
  }

  async #exited(end: ProcessEnd): Promise<void> {
    this.alive = false;
    this.#end = end;
    await endGroup(this.pid);
    this.#guard.remove(this.pid);
    await this.#drained();
    this.#channel?.destroy();
    this.#gone({ ...end, ...(this.#fault !== undefined && { fault: this.#fault }) });
  }

  #gone(end: ChildEnd): void {
    if (this.#start.inputFile !== undefined) removeInput(this.#start.inputFile);
    this.listener.gone(end);
    this.#closed.resolve();
  }

  /** What was printed is in the pipes still. A process that left the group may hold them open: not for long. */
  async #drained(): Promise<void> {
    if (this.#streamsOpen === 0) return;
    await new Promise<void>((resolve) => {
      const patience = setTimeout(resolve, drainMs);
      this.#endStreams = () => {
        clearTimeout(patience);
        resolve();
      };
    });
    this.#process.stdout?.destroy();
    this.#process.stderr?.destroy();
  }
}

/** Kills what a leader that has ended left in its group, and waits until it is gone. */
async function endGroup(group: number): Promise<void> {
  // A leader with this number again: the group was empty, and the number is another's now.
  if (existsSync(`/proc/${group}`)) return;
  const until = performance.now() + goneMs;
  while (signalGroup(group, "SIGKILL") && performance.now() < until && hasLiving(group)) {
    await new Promise((resolve) => setTimeout(resolve, gonePollMs));
  }
}

/** What has ended stays in its group until its parent takes note: in a container that may be never. */
function hasLiving(group: number): boolean {
  const members = listProcesses().filter((one) => one.group === group);
  // Where there is no /proc, nobody knows.
  return members.length === 0 || members.some(({ isZombie }) => !isZombie);
}

/** False when there is no such group (any more). */
function signalGroup(group: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    if (error instanceof Error && "code" in error && error.code === "EPERM") return false; // zombies of another user
    throw error;
  }
}
