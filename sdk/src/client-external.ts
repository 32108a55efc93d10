import {
  type JobPage,
  type JobStatus,
  type JobView,
  jobPageSchema,
  jobViewSchema,
  type ResolvedJob,
  type ResolveJob,
  resolvedJobSchema,
  type SweepJobs,
  type SweptJobs,
  sweptJobsSchema,
} from "@holdfast/protocol";

/** Which external jobs are listed. */
export interface ExternalJobQuery {
  readonly run?: string;
  readonly service?: string;
  readonly status?: readonly JobStatus[];
  readonly cursor?: string;
  readonly limit?: number;
}

/** What people see and decide of external jobs. */
export interface ExternalJobsPlane {
  /** The newest first. */
  list(query: ExternalJobQuery): Promise<JobPage>;
  get(id: string): Promise<JobView>;
  /** Says what became of a job that nobody can ask for. */
  resolve(id: string, request: ResolveJob): Promise<ResolvedJob>;
  /** Gives up jobs that are open though their run has ended. */
  sweep(request: SweepJobs): Promise<SweptJobs>;
}

type Ask = <T>(question: {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | readonly string[] | undefined>>;
  readonly body?: unknown;
  readonly requestKey?: string;
  readonly answer: { parse(value: unknown): T };
}) => Promise<T>;

/** The same over HTTP. */
export function externalJobsOver(ask: Ask): ExternalJobsPlane {
  const base = "/v1/external-jobs";
  return {
    list: (query) => ask({ method: "GET", path: base, query: { ...query }, answer: jobPageSchema }),
    get: (id) => ask({ method: "GET", path: `${base}/${encodeURIComponent(id)}`, answer: jobViewSchema }),
    resolve: (id, body) => {
      const path = `${base}/${encodeURIComponent(id)}/resolve`;
      return ask({ method: "POST", path, body, requestKey: crypto.randomUUID(), answer: resolvedJobSchema });
    },
    sweep: (body) => ask({ method: "POST", path: `${base}/sweep`, body, answer: sweptJobsSchema }),
  };
}
