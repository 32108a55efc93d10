import {
  AppError,
  type ChannelMethod,
  type ChannelParams,
  channelMethods,
  isAppError,
  type Reply,
  type Request,
  requestSchema,
} from "@holdfast/protocol";
import { errorReply, resultReply } from "./replies.ts";

const endingMethods: ReadonlySet<string> = new Set(["run.succeed", "run.fail", "run.retry", "run.skip", "run.suspend"]);

export interface CallsOptions {
  readonly nonce: string;
  /** Carries out one call; see ActivationListener. */
  readonly call: (method: ChannelMethod, params: unknown) => Promise<unknown>;
  /** Drops log lines that are over the activation's budget. */
  readonly admitLines: (lines: ChannelParams<"log.write">["lines"]) => ChannelParams<"log.write">["lines"];
  /** Hands over all that was printed before now; awaited before a call that ends the run. */
  readonly handOverOutput: () => Promise<void>;
  readonly reply: (reply: Reply) => void;
  /** Resolves once there is room for another reply: the process has read enough of those before. */
  readonly room: () => Promise<void> | undefined;
  /** Many calls wait: hear no more until it is told `false`. */
  readonly crowded: (crowded: boolean) => void;
  /** A call that ends the activation was acknowledged. `suspended`: its run waits, and its body does not return. */
  readonly settled: (suspended: boolean) => void;
  /** The control plane, or `close`, does not want to hear this activation any more. */
  readonly refused: () => void;
  /** What is no request at all: the process has to end. */
  readonly violation: (reason: string) => void;
}

const crowdedCalls = 1_000;

/** The calls of one activation: each is checked, carried out in order, and answered by its id. */
export class Calls {
  readonly #options: CallsOptions;
  readonly #waiting: Request[] = [];
  #idle: Promise<void> | undefined;
  #closed: string | undefined;
  #ended: string | undefined;
  #crowded = false;

  constructor(options: CallsOptions) {
    this.#options = options;
  }

  /** From now on every call that would end the run is refused with `run_ended` and this reason. */
  close(why: string): void {
    this.#closed ??= why;
  }

  /** From now on every call is refused with `run_ended` and this reason, those that wait included. */
  end(why: string): void {
    this.#closed ??= why;
    this.#ended ??= why;
  }

  /** Resolves when no call waits or is under way. */
  async idle(): Promise<void> {
    await this.#idle;
  }

  /** Takes a frame that is no notification. */
  take(frame: unknown): void {
    const parsed = requestSchema.safeParse(frame);
    if (!parsed.success) {
      this.#badRequest(frame);
      return;
    }
    this.#waiting.push(parsed.data);
    if (this.#waiting.length >= crowdedCalls && !this.#crowded) this.#setCrowded(true);
    this.#idle ??= this.#carryOutAll();
  }

  #setCrowded(crowded: boolean): void {
    this.#crowded = crowded;
    this.#options.crowded(crowded);
  }

  #badRequest(frame: unknown): void {
    const error = new AppError("invalid_request", "This is no request of the channel.", {
      hint: "A request has jsonrpc, id, method, params and nonce, and nothing else.",
    });
    const id = idOf(frame);
    this.#options.reply(errorReply(id ?? null, error, "request"));
    if (id === undefined) this.#options.violation("It sent what is no request and has no id to answer.");
  }

  async #carryOutAll(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      await this.#options.room();
      await this.#carryOut(next);
      if (this.#crowded && this.#waiting.length < crowdedCalls / 2) this.#setCrowded(false);
    }
    this.#idle = undefined;
  }

  async #carryOut(request: Request): Promise<void> {
    const { id, method } = request;
    if (request.nonce !== this.#options.nonce) {
      const error = new AppError("stale_epoch", "This call is not of the activation that runs here.");
      this.#options.reply(errorReply(id, error));
      return;
    }
    if (!isMethod(method)) {
      this.#options.reply(errorReply(id, new AppError("unknown_method", `There is no method ${method}.`), "method"));
      return;
    }
    const params = channelMethods[method].params.safeParse(request.params);
    if (!params.success) {
      this.#options.reply(errorReply(id, invalidParams(method, params.error), "params"));
      return;
    }
    try {
      const answer = await this.#answer(method, params.data);
      this.#options.reply(resultReply(id, answer));
      // A body that waits for what is over already goes on.
      if (!endingMethods.has(method) || (method === "run.suspend" && !isSuspended(answer))) return;
      this.end("The activation has said how it ended; nothing more is heard of it.");
      this.#options.settled(method === "run.suspend");
    } catch (error) {
      this.#options.reply(errorReply(id, error));
      if (isRefusal(error) && this.#ended === undefined) this.#options.refused();
    }
  }

  async #answer(method: ChannelMethod, params: unknown): Promise<unknown> {
    if (this.#ended !== undefined) throw new AppError("run_ended", this.#ended);
    if (method === "log.write") return await this.#logWrite(params as ChannelParams<"log.write">);
    if (!endingMethods.has(method)) return await this.#options.call(method, params);
    await this.#options.handOverOutput();
    if (this.#closed !== undefined) throw new AppError("run_ended", this.#closed);
    return await this.#options.call(method, params);
  }

  async #logWrite(params: ChannelParams<"log.write">): Promise<unknown> {
    const lines = this.#options.admitLines(params.lines);
    return lines.length === 0 ? {} : await this.#options.call("log.write", { lines });
  }
}

function isSuspended(answer: unknown): boolean {
  return typeof answer === "object" && answer !== null && "suspended" in answer && answer.suspended === true;
}

function isMethod(method: string): method is ChannelMethod {
  return Object.hasOwn(channelMethods, method);
}

function isRefusal(error: unknown): boolean {
  return isAppError(error, "stale_epoch") || isAppError(error, "run_ended");
}

function idOf(frame: unknown): number | undefined {
  if (typeof frame !== "object" || frame === null || !("id" in frame)) return undefined;
  const id = frame.id;
  return typeof id === "number" && Number.isSafeInteger(id) && id >= 0 ? id : undefined;
}

function invalidParams(
  method: string,
  error: { readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[] },
): AppError {
  const found = error.issues.slice(0, 5).map((issue) => `${["params", ...issue.path].join(".")}: ${issue.message}`);
  return new AppError("invalid_request", `The params of ${method} are not as they have to be: ${found.join("; ")}.`);
}
