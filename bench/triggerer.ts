/**
 * 100,000 open external jobs on one node, of which 10,000 are of an endpoint that hangs, 10,000 of a service that answers only 429 and
 * 10,000 of one that takes five seconds to answer: memory, processor time, looks a second, and the time from a job's end to the resumed body.
 * `node --conditions=@holdfast/source bench/triggerer.ts [--jobs 100000] [--short] [--semi-space 8]`
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { startClouds } from "../test/clouds/remote.ts";
import type { ServiceName } from "../test/clouds/services.ts";
import { testToken } from "../test/clouds/tokens.ts";
import { endWithUs, hearInterruption, makeFolder } from "./leftovers.ts";
import { quantile } from "./quantile.ts";
import { thisMachine } from "./report.ts";
import { Asked } from "./triggerer/asked.ts";
import type { Usage } from "./triggerer/node.ts";

const { values } = parseArgs({
  options: {
    jobs: { type: "string", default: "100000" },
    short: { type: "boolean", default: false },
    /** In MB: how much young memory V8 lets the node have before it tidies up; its own choice when left out. */
    "semi-space": { type: "string" },
    profile: { type: "boolean", default: false },
  },
});
const jobs = Number(values.jobs);
const windowMs = values.short ? 10_000 : 60_000;
const samples = values.short ? 20 : 200;
/** What has been open for an hour is looked at once a minute. */
const ageMs = 3_600_000;
const openAtOnce = 5_000;
const ticksPerSecond = 100;
const pageBytes = 4_096;

interface Urls {
  readonly well: string;
  readonly hung: string;
  readonly refusing: string;
  readonly slow: string;
}
type Counts = Record<keyof Urls, number>;

/** Of ten jobs seven are well. */
function urlOf(urls: Urls, index: number): string {
  const name = (["hung", "refusing", "slow"] as const)[index % 10] ?? "well";
  return `${urls[name]}/jobs/b${index}`;
}

function processUsage(pid: number): { readonly residentMB: number; readonly cpuMs: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  const ticks = Number(fields[11]) + Number(fields[12]);
  const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]);
  return { residentMB: (pages * pageBytes) / 1024 / 1024, cpuMs: (ticks * 1_000) / ticksPerSecond };
}

async function until(holds: () => Promise<boolean>, pollMs = 100): Promise<void> {
  while (!(await holds())) await pause(pollMs);
}

const tell = (text: string) => console.error(`${new Date().toISOString().slice(11, 19)} ${text}`);

hearInterruption();
const folder = makeFolder("holdfast-triggerer-");
const services = new Asked("services.ts");
const urls = (await services.ready) as Urls;
const clouds = await startClouds("--anonymous");
endWithUs(clouds.process);
for (const service of ["bigquery", "kubernetes"] as const) {
  await clouds.remote.script({ service }, { timeline: [{ afterMs: 0, phase: "running" }] });
}
const kubeconfig = join(folder, "kubeconfig.json");
writeFileSync(
  kubeconfig,
  JSON.stringify({
    "current-context": "c",
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster: { server: clouds.url } }],
    users: [{ name: "u", user: { token: testToken } }],
  }),
);
const connections = {
  bulk: { service: "http", baseUrl: urls.well },
  timed: { service: "http", baseUrl: urls.well },
  bq: { service: "bigquery", project: "bench", location: "US", baseUrl: clouds.url, credentials: "none" },
  cluster: { service: "kubernetes", kubeconfig, namespace: "bench" },
};
const file = join(folder, "store.db");
const argument = { address: `sqlite:${file}`, connections };

async function open(): Promise<{ readonly seconds: number }> {
  const opener = new Asked("node.ts", { argument });
  await opener.ready;
  const startedMs = performance.now();
  for (let from = 0; from < jobs; from += openAtOnce) {
    const count = Math.min(openAtOnce, jobs - from);
    const inputs = Array.from({ length: count }, (_, index) => ({ url: urlOf(urls, from + index) }));
    await opener.ask({ ask: "open", definition: "bulk", inputs });
    await until(() => opener.ask<boolean>({ ask: "waiting" }));
  }
  const seconds = (performance.now() - startedMs) / 1_000;
  await opener.kill();
  return { seconds };
}

/** Nobody has waited for an hour for them. */
function age(): void {
  const database = new DatabaseSync(file);
  database.exec(`UPDATE external_jobs SET opened_at = opened_at - ${ageMs}`);
  database.close();
}

async function usageOf(node: Asked) {
  const own = await node.ask<Usage>({ ask: "usage" });
  const trackers = own.trackers.map(processUsage);
  const counts = await services.ask<Counts>({ ask: "counts" });
  const cpuMs = trackers.reduce((sum, one) => sum + one.cpuMs, 0);
  const residentMB = trackers.reduce((sum, one) => sum + one.residentMB, 0);
  return { atMs: performance.now(), own, trackers: { cpuMs, residentMB }, counts };
}

interface Kind {
  readonly name: string;
  readonly definition: string;
  readonly fake?: ServiceName;
  /** How long a job runs before it ends: a look may come at any time. */
  readonly runsMs: () => number;
  readonly samples: number;
}

const kinds: readonly Kind[] = [
  { name: "push (one-time address)", definition: "push", runsMs: () => 50, samples },
  { name: "long-poll (BigQuery)", definition: "long-poll", fake: "bigquery", runsMs: () => 300, samples },
  { name: "watch (Kubernetes)", definition: "watch", fake: "kubernetes", runsMs: () => 300, samples },
  {
    name: "poll (HTTP, of 2 to 3 s of age)",
    definition: "poll",
    runsMs: () => 2_000 + Math.random() * 1_000,
    samples: samples / 4,
  },
];

async function end(kind: Kind, name: string): Promise<bigint> {
  if (kind.fake === undefined) return BigInt(await services.ask<string>({ ask: "end", name }));
  const [job] = await clouds.remote.jobs({ service: kind.fake, text: name });
  if (job === undefined) throw new Error(`The fake has no job ${name}`);
  const at = process.hrtime.bigint();
  await clouds.remote.turn(job, { phase: "succeeded" });
  return at;
}

async function delaysOf(node: Asked, kind: Kind): Promise<number[]> {
  const delaysMs: number[] = [];
  for (let sample = -3; sample < kind.samples; sample++) {
    const name = `${kind.definition}-${sample + 3}-`;
    const input = { name, url: urls.well };
    const run = await node.ask<string>({ ask: "start", definition: kind.definition, inputs: [input] });
    await until(async () => (await node.ask<string | null>({ ask: "status", run })) === "running", 10);
    await pause(kind.runsMs());
    const endedAt = await end(kind, name);
    const resumedAt = await node.resumed(name);
    if (sample >= 0) delaysMs.push(Number(resumedAt - endedAt) / 1e6);
  }
  return delaysMs;
}

const loads = [loadavg()[0] ?? 0];
tell(`opening ${jobs} jobs`);
const opened = await open();
tell(`opened in ${opened.seconds.toFixed(0)} s (${Math.round(jobs / opened.seconds)} a second)`);
age();
const semiSpaceMB = values["semi-space"];
const execArgv = [
  ...(semiSpaceMB === undefined ? [] : [`--max-semi-space-size=${semiSpaceMB}`]),
  ...(values.profile ? ["--cpu-prof", `--cpu-prof-dir=${join(import.meta.dirname, "results", "profiles")}`] : []),
];
const before = await services.ask<Counts>({ ask: "counts" });
const node = new Asked("node.ts", { argument, execArgv });
await node.ready;
const alone = await usageOf(node);
const startedMs = performance.now();
const wellJobs = jobs - 3 * Math.floor(jobs / 10);
await until(async () => (await services.ask<Counts>({ ask: "counts" })).well - before.well >= wellJobs, 500);
const firstSeconds = (performance.now() - startedMs) / 1_000;
tell(`every job of the service that is well was looked at once after ${firstSeconds.toFixed(0)} s`);
await pause(values.short ? 2_000 : 20_000);

const begin = await usageOf(node);
await pause(windowMs);
const finish = await usageOf(node);
loads.push(loadavg()[0] ?? 0);
const seconds = (finish.atMs - begin.atMs) / 1_000;
const rates = Object.fromEntries(
  Object.entries(finish.counts).map(([name, count]) => [name, (count - begin.counts[name as keyof Urls]) / seconds]),
);
const steady = {
  residentMB: finish.own.residentMB,
  heapMB: finish.own.heapMB,
  residentAtStartMB: alone.own.residentMB,
  trackerMB: finish.trackers.residentMB,
  lateMs: finish.own.lateMs,
  nodeCpuPercent: (finish.own.cpuMs - begin.own.cpuMs) / seconds / 10,
  trackerCpuPercent: (finish.trackers.cpuMs - begin.trackers.cpuMs) / seconds / 10,
  looksPerSecond: rates,
};
tell(JSON.stringify(steady));

const latencies: { name: string; p50: number; p99: number; samples: number; load: number }[] = [];
for (const kind of kinds) {
  const load = loadavg()[0] ?? 0;
  const delays = await delaysOf(node, kind);
  const found = {
    name: kind.name,
    p50: quantile(delays, 0.5),
    p99: quantile(delays, 0.99),
    samples: delays.length,
    load,
  };
  latencies.push(found);
  tell(JSON.stringify(found));
}
loads.push(loadavg()[0] ?? 0);

const machine = thisMachine();
const shown = (value: number) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
const report = [
  `# ${jobs.toLocaleString("en")} open external jobs on one node`,
  "",
  `${machine.cores} cores (${machine.processor}), ${machine.memoryMB} MB, Node ${machine.node}, SQLite${semiSpaceMB === undefined ? "" : `, --max-semi-space-size=${semiSpaceMB}`}; load average ${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)}.`,
  "",
  "| measured | |",
  "| --- | ---: |",
  `| the node's resident size | ${shown(steady.residentMB)} MB (${shown(steady.residentAtStartMB)} MB before it had claimed any) |`,
  `| its heap in use | ${shown(steady.heapMB)} MB |`,
  `| the tracker process's resident size | ${shown(steady.trackerMB)} MB |`,
  `| processor of the node, of the tracker process | ${shown(steady.nodeCpuPercent)} %, ${shown(steady.trackerCpuPercent)} % of a core |`,
  `| the node's event loop is late by (p99) | ${shown(steady.lateMs)} ms |`,
  `| looks a second: well, slow, 429, hung | ${["well", "slow", "refusing", "hung"].map((name) => shown(rates[name] ?? 0)).join(", ")} |`,
  `| all claimed, and those that are well looked at once, after | ${shown(firstSeconds)} s |`,
  `| opened | ${shown(jobs / opened.seconds)} /s |`,
  "",
  "| from a job's end to the resumed body (inline) | p50 | p99 | samples | load |",
  "| --- | ---: | ---: | ---: | ---: |",
  ...latencies.map(
    ({ name, p50, p99, samples, load }) =>
      `| ${name} | ${shown(p50)} ms | ${shown(p99)} ms | ${samples} | ${load.toFixed(1)} |`,
  ),
  "",
].join("\n");
const results = join(import.meta.dirname, "results");
mkdirSync(results, { recursive: true });
const name = join(results, `${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}-triggerer`);
writeFileSync(
  `${name}.json`,
  `${JSON.stringify({ machine, jobs, loads, opened, firstSeconds, steady, latencies }, null, 2)}\n`,
);
writeFileSync(`${name}.md`, report);
console.log(report);
await node.end();
process.exit(0);
