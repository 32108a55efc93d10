import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isEnded, type RunView } from "@holdfast/protocol";
import { type Services, serve } from "../../server/src/main.ts";
import { Chance } from "../../server/src/store/contract/chance.contract.ts";
import { openPostgresStore } from "../../server/src/store/postgres/postgres-store.ts";
import type { Store } from "../../server/src/store/store.ts";
import { openOwned } from "../owned-store.ts";
import { startPostgres } from "../postgres.ts";
import { until } from "./processes.ts";
import { beatManifest, beatSchedules, type Point, pointsOn } from "./schedule-work.ts";
import { firstSeed } from "./strikes.ts";

// Faults to catch: a tick that is lost because its schedule was moved on in another commit than its run, one that starts twice
// because two nodes fired it, a schedule that stands still because its node died at it.

/** HOLDFAST_SCHEDULE_MS=60000 is the long form. */
const struckMs = Number(process.env.HOLDFAST_SCHEDULE_MS ?? 8_000);
const program = join(import.meta.dirname, "schedule-node.ts");
const server = await startPostgres();
after(() => server.stop());

class Nodes {
  readonly hits = new Map<Point, number>();
  kills = 0;
  stops = 0;
  readonly #address: string;
  readonly #chance: Chance;
  readonly #alive = new Set<ChildProcess>();
  #isOver = false;

  constructor(address: string, chance: Chance) {
    this.#address = address;
    this.#chance = chance;
  }

  /** Starts a node; when it dies another takes its place. Resolves when it is ready, or dead. */
  async start(): Promise<void> {
    const node = fork(program, [this.#address, String(this.#chance.between(1, 2 ** 31))], {
      execArgv: ["--conditions=@holdfast/source", "--disable-warning=ExperimentalWarning"],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#alive.add(node);
    node.on("message", (told: { diesAt?: Point }) => {
      if (told.diesAt !== undefined) this.hits.set(told.diesAt, (this.hits.get(told.diesAt) ?? 0) + 1);
    });
    void once(node, "exit").then(() => {
      this.#alive.delete(node);
      if (!this.#isOver) void this.start();
    });
    await Promise.race([once(node, "message"), once(node, "exit")]);
  }

  async strike(): Promise<void> {
    const node = this.#chance.pick([...this.#alive]);
    if (this.#chance.happens(0.7)) {
      this.kills += 1;
      node.kill("SIGKILL");
      return;
    }
    this.stops += 1;
    node.kill("SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, this.#chance.between(100, 2_500)));
    node.kill("SIGCONT");
  }

  async end(): Promise<void> {
    this.#isOver = true;
    const gone = [...this.#alive].map((node) => once(node, "exit"));
    for (const node of this.#alive) node.kill("SIGKILL");
    await Promise.all(gone);
  }
}

async function allRuns({ runs }: Services): Promise<RunView[]> {
  const found: RunView[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await runs.list({ rootsOnly: true, limit: 1_000, ...(cursor === undefined ? {} : { cursor }) });
    found.push(...page.runs);
    if (page.cursor === null) return found;
    cursor = page.cursor;
  }
}

/** Every tick from the first to the last has one run, which has succeeded. */
async function judge(services: Services): Promise<number> {
  const runs = await allRuns(services);
  for (const { id, when } of beatSchedules) {
    const own = runs.filter(({ key }) => key?.startsWith(`schedule/${id}/`) === true);
    const ticks = own.map(({ key }) => Date.parse(key?.slice(`schedule/${id}/`.length) ?? "")).sort((a, b) => a - b);
    const [first = 0, apart] = [ticks[0], "cron" in when && when.cron.startsWith("*/2") ? 2_000 : 1_000];
    const { started, leftOut, lastTick } = await services.schedules.get(id, 1);
    const wanted = Array.from(
      { length: (Date.parse(lastTick ?? "") - first) / apart + 1 },
      (_, i) => first + i * apart,
    );
    assert.deepEqual(ticks, wanted, `${id}: each tick has one run`);
    assert.deepEqual({ started, leftOut }, { started: wanted.length, leftOut: 0 }, `${id} counts its runs`);
    assert.ok(ticks.length >= struckMs / apart - 1, `${id}: ${ticks.length} ticks in ${struckMs} ms`);
    for (const run of own) assert.equal(run.status, "succeeded", run.id);
  }
  return runs.length;
}

async function strikeAll(args: {
  readonly address: string;
  /** An owned store opens once it has an owner. */
  readonly open: () => Promise<Store>;
  readonly count: number;
  readonly points: readonly Point[];
}): Promise<string> {
  const { address, open, count, points } = args;
  const chance = new Chance(firstSeed + count);
  const nodes = new Nodes(address, chance);
  let services: Services | undefined;
  try {
    const started = Array.from({ length: count }, () => nodes.start());
    services = serve(await open(), { pollMs: 250 });
    await Promise.all(started);
    await services.schedules.apply([beatManifest], beatSchedules);
    const since = performance.now();
    while (performance.now() - since < struckMs) {
      await new Promise((resolve) => setTimeout(resolve, chance.between(100, 1_800)));
      await nodes.strike();
    }
    const overAt = (await services.store.describe()).now;
    const { schedules } = services;
    await until("the last ticks have come", async () => {
      const page = await schedules.list({ limit: 10, next: 1 });
      return page.schedules.every(({ lastTick }) => Date.parse(lastTick ?? "") >= overAt) ? true : undefined;
    });
    for (const { id } of beatSchedules) await schedules.pause(id, { paused: true });
    const asked = services;
    await until("every run has ended", async () => {
      return (await allRuns(asked)).every(({ status }) => isEnded(status)) ? true : undefined;
    });
    const runs = await judge(services);
    const hits = points.map((point) => `${point} ${nodes.hits.get(point) ?? 0}`).join(", ");
    return `seed ${firstSeed + count}: ${runs} runs, ${nodes.kills} kills and ${nodes.stops} stops at random; deaths at ${hits}`;
  } finally {
    await nodes.end();
    await services?.close();
  }
}

test("three nodes that die at random and at each step of a firing start each tick of each second once", async (t) => {
  const url = await server.createDatabase();
  await (await openPostgresStore({ url, migrate: true })).close();
  const open = () => openPostgresStore({ url, answerMs: 180_000 });
  t.diagnostic(await strikeAll({ address: url, open, count: 3, points: pointsOn.postgres }));
});

test("the owner of a SQLite file that dies again and again starts each tick of each second once", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-ticks-"));
  try {
    const address = `sqlite:${join(folder, "store.db")}`;
    const open = () => openOwned(address, { role: "client", patienceMs: 120_000 });
    t.diagnostic(await strikeAll({ address, open, count: 1, points: pointsOn.owned }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
