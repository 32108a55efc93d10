import type { QueryEngine } from "./bigquery/engine.ts";
import { bigquery } from "./bigquery/service.ts";
import type { Clock } from "./clock.ts";
import { cloudRun } from "./cloudrun.ts";
import { batches } from "./dataproc/batches.ts";
import { dataproc } from "./dataproc/jobs.ts";
import { identity } from "./google/identity.ts";
import { httpJobs } from "./http-jobs.ts";
import { kubernetes } from "./kubernetes/service.ts";
import { CloudServer } from "./server.ts";

export interface OpenCloudsOptions {
  /** 0, the default: any free port. */
  readonly port?: number;
  readonly host?: string;
  readonly clock?: Clock;
  /** A file that keeps jobs, scripts, tokens and calls for the next process. */
  readonly journal?: string;
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Carries BigQuery's queries out. */
  readonly engine?: QueryEngine;
  /** How long a query that is carried out takes at least, in milliseconds; 0 when left out. */
  readonly queryMs?: number;
}

export interface Clouds extends AsyncDisposable {
  /** `http://127.0.0.1:4401`: where all services are. */
  readonly url: string;
  readonly server: CloudServer;
  close(): Promise<void>;
}

/** Opens the fakes in this process. */
export async function openClouds({ port, host, engine, queryMs, ...options }: OpenCloudsOptions = {}): Promise<Clouds> {
  const services = (world: CloudServer["world"]) => [
    identity,
    bigquery(world, { ...(engine && { engine }), ...(queryMs !== undefined && { queryMs }) }),
    cloudRun(world),
    dataproc(world),
    batches(world),
    kubernetes(world),
    httpJobs(),
  ];
  const server = new CloudServer({ ...options, services });
  const url = await server.listen(port, host);
  const close = async () => {
    await server.close();
    await engine?.close();
  };
  return { url, server, close, [Symbol.asyncDispose]: close };
}
