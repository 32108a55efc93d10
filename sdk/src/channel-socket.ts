import { Socket } from "node:net";
import {
  AppError,
  type ChannelCall,
  type CodeFile,
  type Command,
  channelVersion,
  commandSchema,
  type ErrorCode,
  encodeFrame,
  errorCodes,
  FrameDecoder,
  replySchema,
  type WireError,
} from "@holdfast/protocol";

/** As it was before a body could replace it. */
const nextTick = process.nextTick.bind(process);

interface Caller {
  resolve(result: never): void;
  reject(error: AppError): void;
}

/** A child's end of the channel: newline-delimited JSON-RPC on an inherited descriptor. */
export class ChannelSocket {
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder();
  readonly #onCommand: (command: Command) => void;
  readonly #onClosed: (reason: string, code: string | undefined) => void;
  readonly #callers = new Map<number, Caller>();
  #nextId = 1;
  #unsent: Buffer[] = [];

  /**
   * `onClosed` is told when the supervisor has gone or says what cannot be understood; its `code` is the system's, when
   * the descriptor itself failed.
   */
  constructor(
    fd: number,
    onCommand: (command: Command) => void,
    onClosed: (reason: string, code: string | undefined) => void,
  ) {
    this.#onCommand = onCommand;
    this.#onClosed = onClosed;
    this.#socket = new Socket({ fd, readable: true, writable: true });
    this.#socket.on("data", (bytes) => this.#receive(bytes));
    this.#socket.on("error", (error: NodeJS.ErrnoException) => this.#close(error.message, error.code));
    this.#socket.on("close", () => this.#close("the supervisor closed it"));
  }

  /** The first thing a child says. */
  hello(sdk: string): void {
    const params = { versions: [channelVersion, channelVersion], sdk, kind: "task", pid: process.pid };
    this.#send({ jsonrpc: "2.0", method: "hello", params });
  }

  /** Says that the activation's module has been loaded. */
  loaded(nonce: string): void {
    this.#send({ jsonrpc: "2.0", method: "activation.loaded", params: { nonce } });
  }

  /** Says that the body has returned; `clean`: this process may take another activation while what it has loaded stands. */
  returned(nonce: string, { clean, loaded }: { readonly clean: boolean; readonly loaded: readonly CodeFile[] }): void {
    const params = { nonce, clean, ...(loaded.length === 0 ? {} : { loaded }) };
    this.#send({ jsonrpc: "2.0", method: "activation.returned", params });
  }

  /** The calls of the activation that `nonce` names. A message over the limit is refused here with `too_large`. */
  calls(nonce: string): ChannelCall {
    return (method, params) =>
      new Promise((resolve, reject) => {
        const id = this.#nextId++;
        this.#send({ jsonrpc: "2.0", id, method, params, nonce });
        this.#callers.set(id, { resolve, reject });
      });
  }

  /** Messages of one turn leave in one write. */
  #send(frame: unknown): void {
    const bytes = encodeFrame(frame);
    if (this.#unsent.push(bytes) > 1) return;
    nextTick(() => {
      const all = this.#unsent;
      this.#unsent = [];
      this.#socket.write(all.length === 1 ? bytes : Buffer.concat(all));
    });
  }

  #receive(bytes: Buffer): void {
    try {
      for (const frame of this.#decoder.push(bytes)) this.#take(frame);
    } catch (error) {
      this.#close(error instanceof Error ? error.message : String(error));
    }
  }

  #take(frame: unknown): void {
    if (typeof frame === "object" && frame !== null && "method" in frame) {
      this.#onCommand(commandSchema.parse(frame));
      return;
    }
    const reply = replySchema.parse(frame);
    const caller = reply.id === null ? undefined : this.#callers.get(reply.id);
    if (caller === undefined || reply.id === null) return;
    this.#callers.delete(reply.id);
    if ("error" in reply) caller.reject(appError(reply.error));
    else caller.resolve(reply.result as never);
  }

  #close(reason: string, code?: string): void {
    this.#socket.destroy();
    for (const caller of this.#callers.values()) {
      caller.reject(new AppError("store_unavailable", `The channel is closed: ${reason}`));
    }
    this.#callers.clear();
    this.#onClosed(reason, code);
  }
}

function appError(error: WireError): AppError {
  const code: ErrorCode = Object.hasOwn(errorCodes, error.data.code) ? (error.data.code as ErrorCode) : "internal";
  const { hint, details } = error.data;
  return new AppError(code, error.message, { ...(hint !== undefined && { hint }), details });
}
