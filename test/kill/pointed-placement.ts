import type {
  ActivationJob,
  ActivationListener,
  Placement,
  RunningActivation,
} from "../../server/src/placements/placement.ts";

const heard: Readonly<Record<string, string>> = { "step.commit": "step", "run.succeed": "success" };

/** The same placement, with points around a child's start and around what it says. */
export class PointedPlacement implements Placement {
  readonly name: Placement["name"];
  readonly #placement: Placement;
  readonly #pass: (point: string) => void;

  constructor(placement: Placement, pass: (point: string) => void) {
    this.name = placement.name;
    this.#placement = placement;
    this.#pass = pass;
  }

  get free(): number {
    return this.#placement.free;
  }

  start(job: ActivationJob, listener: ActivationListener): RunningActivation {
    this.#pass("start.before");
    const running = this.#placement.start(job, {
      lines: (lines) => listener.lines(lines),
      call: async (method, params) => {
        const said = heard[method];
        if (said !== undefined) this.#pass(`${said}.heard`);
        const answer = await listener.call(method, params);
        if (method === "run.succeed") this.#pass("success.answered");
        return answer;
      },
    });
    this.#pass("start.after");
    return running;
  }

  freezeAll(): void {
    this.#placement.freezeAll();
  }

  thawAll(): void {
    this.#placement.thawAll();
  }

  forgetCode(): void {
    this.#placement.forgetCode();
  }

  close(): Promise<void> {
    return this.#placement.close();
  }
}
