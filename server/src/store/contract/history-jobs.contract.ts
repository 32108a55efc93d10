import type { EndedJobStatus } from "@holdfast/protocol";
import type { JobNews, JobNote, JobRow, NewWait, RunRow } from "../../core/index.ts";
import type { Store, StoreVerb } from "../store.ts";
import type { Chance } from "./chance.contract.ts";
import { external, found, newJob, said } from "./jobs.fixture.ts";
import { namespace } from "./world.contract.ts";

interface JobCall {
  readonly verb: StoreVerb;
  readonly args: object;
}

const keys = ["a", "scan", "load"] as const;

interface Drawing {
  /** Claimed runs that have no children. */
  readonly bodies: readonly RunRow[];
  readonly memberId: string;
  /** After which a wait for one is over; undefined: never. */
  readonly delaysMs: readonly [number, ...number[]] | undefined;
}

/** A call that concerns external jobs: of a body, of a member that tracks them, or of somebody who looks. */
export async function jobCall(
  chance: Chance,
  model: Pick<Store, "listJobs" | "findJob">,
  { bodies, memberId, delaysMs }: Drawing,
): Promise<JobCall> {
  const { jobs } = await model.listJobs({ namespace, limitRows: 1_000 });
  const body = bodies[chance.below(bodies.length)];
  if (body !== undefined && (jobs.length === 0 || chance.happens(0.5))) return opened(chance, body, jobs, delaysMs);
  const limitRows = 1 + chance.below(4);
  switch (jobs.length === 0 ? 0 : chance.below(9)) {
    case 0:
    case 1:
      return { verb: "claimJobs", args: { memberId, namespace, limitRows } };
    case 2: {
      const after = chance.happens(0.3) ? { after: pick(chance, jobs).id } : {};
      return { verb: "listTracked", args: { memberId, orderedOnly: chance.happens(0.5), limitRows, ...after } };
    }
    case 3: {
      const { id, runId, key, status } = pick(chance, jobs);
      const filter = chance.pick<object>([
        {},
        { runId },
        { runId, key },
        { statuses: [status] },
        { service: "warehouse" },
      ]);
      return chance.happens(0.5)
        ? { verb: "findJob", args: { id } }
        : { verb: "listJobs", args: { namespace, limitRows, ...filter } };
    }
    default:
      return { verb: "noteJobs", args: { rows: chance.some(3, () => noted(chance, pick(chance, jobs), memberId)) } };
  }
}

function pick(chance: Chance, jobs: readonly JobRow[]): JobRow {
  // Those that are open, if there are any: what is said of the others is stale.
  const open = jobs.filter(({ endedAt }) => endedAt === null);
  // Somebody may be claiming those that nobody tracks.
  const free = open.filter(({ memberId }) => memberId === null);
  if (free.length > 0 && chance.happens(0.5)) return free[chance.below(free.length)] as JobRow;
  const among = open.length > 0 && chance.happens(0.85) ? open : jobs;
  return among[chance.below(among.length)] as JobRow;
}

function opened(chance: Chance, body: RunRow, jobs: readonly JobRow[], delaysMs: Drawing["delaysMs"]): JobCall {
  const opens = chance.some(2, (): NewWait => {
    const key = chance.pick(keys);
    const last = jobs.find((job) => job.runId === body.id && job.generation === body.generation && job.key === key);
    const number = (last?.number ?? 0) + (chance.happens(0.9) ? 1 : 0) || 1;
    const how = chance.pick([
      { submission: "token" },
      { submission: "blind" },
      { submission: "own", spec: null },
      { submission: "adopted", spec: null, job: found },
    ] as const);
    return external(body, key, {
      number,
      delayMs: chance.happens(0.2) && delaysMs !== undefined ? chance.pick(delaysMs) : null,
      ...how,
    });
  });
  const named = opens.map(({ key }) => key);
  const groups = chance.happens(0.5) ? [named] : named.map((key) => [key]);
  const suspend = chance.happens(0.7) ? { groups, ranMs: 2 } : null;
  const drops = suspend === null && chance.happens(0.3) ? [chance.pick(keys)] : [];
  const settles = drops.length > 0 ? [{ key: `race-${chance.below(2)}`, value: { winner: "x" }, drops }] : [];
  const { id: runId, epoch, generation } = body;
  return { verb: "openWaits", args: { rows: [{ runId, epoch, generation, opens, settles, suspend }] } };
}

function noted(chance: Chance, job: JobRow, memberId: string): JobNote {
  const by = chance.happens(0.1)
    ? { epoch: job.epoch, activation: 1 + chance.below(3) }
    : { epoch: job.epoch + (chance.happens(0.1) ? 1 : 0) };
  const status = chance.pick<EndedJobStatus>(["succeeded", "failed", "cancelled", "lost"]);
  const error = { code: "busy", message: "Later." };
  const nextLookInMs = 1_000;
  const run = { id: job.runId, generation: job.generation } as RunRow;
  const news = chance.pick<JobNews>([
    { is: "calling", memberId },
    said.submitted,
    { is: "observed", rawStatus: chance.pick(["QUEUED", "RUNNING"]), nextLookInMs },
    { is: "tried", error, nextLookInMs, ...(chance.happens(0.5) ? { undecided: true } : {}) },
    { is: "cancel_asked", answer: chance.pick(["accepted", "not_found"]), nextLookInMs },
    { is: "ended", status, rawStatus: "DONE", result: { rows: chance.below(9) } },
    { is: "ended", status: "succeeded", rawStatus: "DONE", result: { rows: chance.below(9) } },
    said.unknown,
    { is: "replaced", error, next: newJob(run, job.key, { number: job.number + 1 }) },
  ]);
  return { jobId: job.id, by, news };
}
