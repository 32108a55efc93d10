import { AppError, type ChannelMethod, type ChannelParams, nearestName, type StepRecord } from "@holdfast/protocol";
import type {
  ActivationEnd,
  ActivationJob,
  ActivationListener,
  Placement,
  RunningActivation,
} from "../placements/placement.ts";

/**
 * Where a body's process dies. `start`: before the body's first line. `step:KEY`: the step's function is done, its result not
 * recorded; `recorded:KEY`: right after it was recorded. `state:KEY`: a write of state is asked for under this key, and nothing of it is stored. `wait:KEY`: a wait is asked for, nothing of it is stored; `waiting:KEY`: right
 * after it was. Of a job that the body starts by itself, `step:KEY` is when it has been started and is not known yet. `succeed`: the body has returned, nothing is recorded of it.
 * `onCancel`: before the first line of the task's `onCancel`; `cleaned`: it has returned, nothing is recorded of it.
 */
export type CrashPoint =
  | "start"
  | `step:${string}`
  | `recorded:${string}`
  | `state:${string}`
  | `wait:${string}`
  | `waiting:${string}`
  | "succeed"
  | "onCancel"
  | "cleaned";

const points = ["start", "step:", "recorded:", "state:", "wait:", "waiting:", "succeed", "onCancel", "cleaned"];

/** JavaScript and casts say what no type allows. */
function checkPoint(point: string): void {
  const kind = point.includes(":") ? point.slice(0, point.indexOf(":") + 1) : point;
  if (points.includes(kind) && (kind === point) !== kind.endsWith(":")) return;
  const meant = nearestName(kind, points);
  throw new AppError("invalid_request", `${JSON.stringify(point)} is no point at which a body can crash.`, {
    hint: `${meant === undefined ? "" : `Did you mean "${meant}"? `}There are ${points.map((name) => (name.endsWith(":") ? `${name}KEY` : name)).join(", ")}.`,
  });
}

interface Trap {
  readonly point: CrashPoint;
  /** Only activations of this definition. */
  readonly definition: string | undefined;
  left: number;
}

/** The traps that a test has set, and which of them were reached. */
export class CrashPlan {
  readonly #traps: Trap[] = [];

  add(point: CrashPoint, times: number, definition: string | undefined): void {
    checkPoint(point);
    this.#traps.push({ point, definition, left: times });
  }

  /** True when the process is to die here; each time counts. */
  springs(point: CrashPoint, definition: string): boolean {
    const trap = this.#traps.find(
      (each) => each.left > 0 && each.point === point && (each.definition ?? definition) === definition,
    );
    if (trap === undefined) return false;
    trap.left -= 1;
    return true;
  }

  /** Points that were never reached as often as asked. */
  get unreached(): CrashPoint[] {
    return this.#traps.filter(({ left }) => left > 0).map(({ point }) => point);
  }
}

/** Runs bodies in another placement and lets their process die where the plan says. */
export class CrashingPlacement implements Placement {
  readonly name = "inline";
  readonly #inner: Placement;
  readonly #plan: CrashPlan;
  #active = 0;

  constructor(inner: Placement, plan: CrashPlan) {
    this.#inner = inner;
    this.#plan = plan;
  }

  /** How many bodies are at work. */
  get active(): number {
    return this.#active;
  }

  get free(): number {
    return this.#inner.free;
  }

  start(job: ActivationJob, listener: ActivationListener): RunningActivation {
    this.#active += 1;
    const activation = new CrashingActivation(job, listener, this.#inner, this.#plan);
    void activation.ended.then(() => {
      this.#active -= 1;
    });
    return activation;
  }

  freezeAll(): void {
    this.#inner.freezeAll();
  }

  thawAll(): void {
    this.#inner.thawAll();
  }

  forgetCode(): void {
    this.#inner.forgetCode();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

/** Where a call may find its process dead: before it is carried out, and after. */
function pointsOf(
  method: ChannelMethod,
  params: unknown,
  isCleanUp: boolean,
): { before: CrashPoint[]; after: CrashPoint[] } {
  if (method === "run.succeed") return { before: [isCleanUp ? "cleaned" : "succeed"], after: [] };
  if (method === "step.commit" || method === "run.enqueue" || method === "external.adopt") {
    const { key } = params as Pick<StepRecord, "key">;
    return { before: [`step:${key}`], after: [`recorded:${key}`] };
  }
  if (method === "state.transact") {
    const { key } = params as ChannelParams<"state.transact">;
    return { before: [`state:${key}`], after: [`recorded:${key}`] };
  }
  if (method === "external.submit") {
    const { key } = params as ChannelParams<"external.submit">;
    return { before: [`wait:${key}`], after: [`waiting:${key}`] };
  }
  if (method !== "wait.open" && method !== "run.suspend") return { before: [], after: [] };
  const { waits, settles } = params as ChannelParams<"wait.open">;
  const keys = [...waits, ...settles].map(({ key }) => key);
  return { before: keys.map((key) => `wait:${key}` as const), after: keys.map((key) => `waiting:${key}` as const) };
}

class CrashingActivation implements RunningActivation {
  readonly ended: Promise<ActivationEnd>;
  readonly #inner: RunningActivation | undefined;
  #crash: () => void = () => undefined;

  constructor(job: ActivationJob, listener: ActivationListener, placement: Placement, plan: CrashPlan) {
    const { definition } = job.start.run;
    const crashed = new Promise<void>((resolve) => {
      this.#crash = resolve;
    });
    const isCleanUp = job.start.cleanUp !== undefined;
    if (plan.springs(isCleanUp ? "onCancel" : "start", definition)) this.#crash();
    else {
      const hasProcess = placement.name === "process";
      this.#inner = placement.start(job, this.#tapped(listener, { definition, plan, hasProcess, isCleanUp }));
    }
    const inner = this.#inner;
    const death = crashed.then((): ActivationEnd => {
      inner?.kill();
      const message = "Its process was killed, as the test said.";
      return { how: "exited", code: null, signal: "SIGKILL", lost: true, message, ranMs: inner?.ranMs ?? 0 };
    });
    this.ended = inner === undefined ? death : Promise.race([inner.ended, death]);
  }

  get ranMs(): number {
    return this.#inner?.ranMs ?? 0;
  }

  abort(reason: string): void {
    this.#inner?.abort(reason);
  }

  freeze(): void {
    this.#inner?.freeze();
  }

  thaw(): void {
    this.#inner?.thaw();
  }

  kill(): void {
    this.#inner?.kill();
  }

  #tapped(
    listener: ActivationListener,
    {
      definition,
      plan,
      hasProcess,
      isCleanUp,
    }: { definition: string; plan: CrashPlan; hasProcess: boolean; isCleanUp: boolean },
  ): ActivationListener {
    const die = (): Promise<never> => {
      this.#crash();
      // A body of this process would hear a refusal and go on; a supervisor waits for an answer to the call of a dead child.
      return hasProcess ? Promise.reject(new AppError("run_ended", "It died.")) : new Promise<never>(() => undefined);
    };
    return {
      lines: (lines) => listener.lines(lines),
      call: async (method: ChannelMethod, params: unknown) => {
        const { before, after } = pointsOf(method, params, isCleanUp);
        if (before.some((point) => plan.springs(point, definition))) return die();
        const answer = await listener.call(method, params);
        return after.some((point) => plan.springs(point, definition)) ? die() : answer;
      },
    };
  }
}
