import { bigQuery } from "./bigquery.ts";
import { cloudRun } from "./cloud-run.ts";
import { dataproc } from "./dataproc.ts";
import { dataprocBatch } from "./dataproc-batch.ts";
import { http } from "./http.ts";
import { kubernetes } from "./kubernetes.ts";
import { type Tracker, untyped } from "./tracker.ts";

/** The services that are known without anybody bringing them along. */
export const services: readonly Tracker[] = [
  untyped(bigQuery),
  untyped(cloudRun),
  untyped(dataproc),
  untyped(dataprocBatch),
  untyped(http),
  untyped(kubernetes),
];
