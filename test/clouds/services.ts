export const services = ["bigquery", "cloudrun", "dataproc", "batches", "kubernetes", "http", "identity"] as const;
/** The services that are spoken; jobs, scripts, faults and calls are told apart by them. */
export type ServiceName = (typeof services)[number];
