/** In looks. `ping`: from here on a word is asked for. `tell`: whoever waits is told. `end`: nobody is waited for any longer. */
const bounds = { ping: 2, tell: 5, end: 20 };

export interface SilenceWatchOptions {
  /** Whether an answer is waited for. */
  readonly isWaiting: () => boolean;
  readonly ping: () => void;
  readonly tell: () => void;
  readonly end: () => void;
  /** Between looks; default one second. */
  readonly lookMs?: number;
}

/**
 * Notices that the other end of a connection says nothing while somebody waits for it: a process that is stopped keeps its
 * connections. Looks are counted, not time: whoever was stopped itself meanwhile takes nobody else for silent.
 */
export class SilenceWatch {
  readonly #options: SilenceWatchOptions;
  #looks = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SilenceWatchOptions) {
    this.#options = options;
  }

  /** Something has been asked. */
  begin(): void {
    if (this.#timer !== undefined) return;
    this.#looks = 0;
    this.#timer = setInterval(() => this.#look(), this.#options.lookMs ?? 1_000).unref();
  }

  /** The other end has said something. */
  heard(): void {
    this.#looks = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const { isWaiting, ping, tell, end } = this.#options;
    if (!isWaiting()) {
      this.stop();
      return;
    }
    this.#looks += 1;
    if (this.#looks >= bounds.end) {
      this.stop();
      end();
      return;
    }
    if (this.#looks >= bounds.ping) ping();
    if (this.#looks === bounds.tell) tell();
  }
}
