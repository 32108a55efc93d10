// Scenarios of state × TypeScript, Python, HTTP × store: one table, generated. Faults to catch: a cell that is empty; a side that takes or
// answers what another does not (undefined, NaN, null, an empty key); a store that keeps a value otherwise; state that a retry loses, or
// that a fresh clear keeps; a reason that names a test which is not there.
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type AssetSpec, defaultRetry, type Json, limits, type Manifest, type TaskSpec } from "@holdfast/protocol";
import { buildApi } from "../../server/src/api/server.ts";
import { silentLog } from "../../server/src/log.ts";
import { openServices, type RunningNode, type Services, startNode } from "../../server/src/main.ts";
import { FileBackend } from "../../server/src/state-backends/file-backend.ts";
import { createDatabase, dropDatabase } from "../postgres.ts";
import { OverHttp } from "./over-http.ts";
import { type Act, type Scenario, type Side, scenarios, sides } from "./scenarios.ts";

const longMs = 60_000;
const root = fileURLToPath(new URL("../..", import.meta.url));
const stores = ["memory", "file", "sqlite", "postgres"] as const;
type Kind = (typeof stores)[number];

/** What carries scenarios out on each side. People act on runs of a task that does nothing. */
const bodies = {
  TypeScript: { executor: "typescript", source: { module: "bodies.ts", export: "typescript" } },
  Python: { executor: "python", source: { module: "bodies.py", export: "plain" } },
  "Python, asynchronous": { executor: "python", source: { module: "bodies.py", export: "asynchronous" } },
  HTTP: { executor: "python", source: { module: "bodies.py", export: "plain" } },
} as const;
const idOf = (side: Side) => side.replaceAll(/[ ,]+/g, "-");

function why({ unfit = {} }: Scenario, side: Side): string | undefined {
  return unfit.all ?? unfit[side] ?? (side === "HTTP" ? undefined : unfit.bodies);
}

it("no cell is empty: each scenario is carried out on each side, or says why not, and what it names is there", () => {
  const ids = [
    ...Array.from({ length: 28 }, (_, n) => `TS-${String(n + 1).padStart(2, "0")}`),
    ...Array.from({ length: 6 }, (_, n) => `CL-0${n + 1}`),
    ...Array.from({ length: 10 }, (_, n) => `AS-${String(n + 1).padStart(2, "0")}`),
  ];
  assert.deepEqual(
    scenarios.map(({ id }) => id),
    ids,
  );
  for (const scenario of scenarios) {
    const isCarriedOut = sides.some((side) => why(scenario, side) === undefined);
    assert.equal(isCarriedOut, scenario.first !== undefined, `${scenario.id} is for nobody`);
    for (const side of sides) {
      const reason = why(scenario, side);
      assert.ok(reason !== undefined || scenario.first !== undefined, `${scenario.id} on ${side} is empty`);
      const [, file, name = ""] = /^(\S+\.ts): (.+)$/.exec(reason ?? "") ?? [];
      if (file === undefined) continue;
      assert.ok(existsSync(join(root, file)), `${scenario.id} on ${side} names ${file}`);
      assert.ok(readFileSync(join(root, file), "utf8").includes(name), `${scenario.id} on ${side} names "${name}"`);
    }
  }
});

class World {
  readonly services: Services;
  readonly http: OverHttp;

  constructor(services: Services, http: OverHttp) {
    this.services = services;
    this.http = http;
  }

  async carryOut(scenario: Scenario, side: Side): Promise<void> {
    const { first = [], seen = [], again, other } = scenario;
    const programs = [first, ...(again === undefined ? [] : [again.acts])];
    const run = await this.#start(side, { programs, fails: again?.how === "retry" });
    const found = side === "HTTP" ? await this.http.carryOut(run.id, first) : run.output;
    if (found !== null) assert.deepEqual(found, seen);
    if (scenario.elsewhere !== undefined) assert.deepEqual(await this.#elsewhere(run.id), scenario.elsewhere);
    if (again !== undefined) assert.deepEqual(await this.#again(side, run.id, again), again.seen);
    if (other === undefined) return;
    const next = await this.#start(side, { programs: [other.acts], fails: false });
    assert.deepEqual(side === "HTTP" ? await this.http.carryOut(next.id, other.acts) : next.output, other.seen);
    const { keys } = {
      keys: (await this.services.state.list({ kind: "run", id: run.id }, {})).values.map(({ key }) => key),
    };
    assert.deepEqual(keys, ["a"]);
  }

  async #elsewhere(id: string): Promise<string[]> {
    const scope = { kind: "run", id } as const;
    const page = await this.services.store.listState({ namespace: this.services.namespace, scope, limitRows: 10 });
    return page.outcome === "read" ? page.values.flatMap(({ key, object }) => (object === undefined ? [] : key)) : [];
  }

  async #start(side: Side, { programs, fails }: { programs: readonly (readonly Act[])[]; fails: boolean }) {
    const input = { programs: side === "HTTP" ? [] : programs, fails };
    const { run } = await this.services.runs.start({
      definition: idOf(side),
      input: JSON.parse(JSON.stringify(input)) as Json,
    });
    const { id, output, status, error } = await this.services.history.result(run.id, longMs);
    assert.equal(status, fails ? "failed" : "succeeded", JSON.stringify(error));
    return { id, output };
  }

  async #again(side: Side, id: string, { how, acts }: NonNullable<Scenario["again"]>): Promise<unknown> {
    const { restarts, history } = this.services;
    if (side === "HTTP") {
      const [path, body] =
        how === "retry" ? ["retry", "{}"] : ["clear", JSON.stringify({ mode: how === "clear" ? "fresh" : "resume" })];
      assert.equal((await this.http.ask("POST", `/v1/runs/${id}/${path}`, body)).status, 200);
    } else if (how === "retry") await restarts.retry(id, {});
    else await restarts.clear(id, { fresh: how === "clear" });
    const { status, output, error } = await history.result(id, longMs);
    assert.equal(status, "succeeded", JSON.stringify(error));
    return side === "HTTP" ? this.http.carryOut(id, acts) : output;
  }
}

async function addressOf(kind: Kind, folder: string): Promise<string> {
  if (kind === "postgres") return createDatabase();
  return kind === "memory" ? "memory:" : `${kind}:${join(folder, `store.${kind}`)}`;
}

for (const kind of stores) {
  describe(`state on ${kind}`, { timeout: 300_000, concurrency: 4 }, () => {
    let folder = "";
    let address = "";
    let services: Services;
    let node: RunningNode;
    const worlds = new Map<Side, World>();
    before(async () => {
      // Below the repository, so that packages are found as in a user's project.
      mkdirSync(join(root, "temp"), { recursive: true });
      folder = mkdtempSync(join(root, "temp/state-"));
      for (const name of ["bodies.ts", "bodies.py", "scenarios.ts"])
        cpSync(join(import.meta.dirname, name), join(folder, name));
      address = await addressOf(kind, folder);
      const backend = new FileBackend(join(folder, "objects"));
      const stateBackend = { backend, inlineBytes: limits.stateValueBytes, graceMs: 0 };
      const stateRetention = { task: 7_200_000 };
      services = await openServices({ address, migrate: true, pollMs: 20, stateBackend, stateRetention });
      node = await startNode(services, { root: folder, concurrency: 4, pollMs: 20 });
      const all = Object.fromEntries(sides.map((side) => [idOf(side), taskOf(side)]));
      const assets = Object.fromEntries(sides.flatMap((side) => assetsOf(side)).map((asset) => [asset.id, asset]));
      await services.definitions.apply(
        sides.map((side): Manifest => ({ format: 1, root: idOf(side), definitions: all, assets })),
      );
      const api = buildApi(services, { host: "127.0.0.1", port: 0, version: "0.0.0", log: silentLog });
      for (const side of sides) worlds.set(side, new World(services, new OverHttp(api, idOf(side))));
    });
    after(async () => {
      await node.stop({ graceMs: 0 });
      await services.close();
      if (kind === "postgres") await dropDatabase(address);
      rmSync(folder, { recursive: true, force: true });
    });

    for (const scenario of scenarios) {
      for (const side of sides) {
        const reason = why(scenario, side);
        const name = `${scenario.id} ${side}: ${scenario.says}`;
        if (reason === undefined) it(name, () => worlds.get(side)?.carryOut(scenario, side));
      }
    }
  });
}

function taskOf(side: Side): TaskSpec {
  return {
    ...{ kind: "task", id: idOf(side), ...bodies[side] },
    ...{ queue: "default", priority: 0, retry: defaultRetry, placement: "process", isolation: "pool" },
    ...{ reads: [`${idOf(side)}-customers`], writes: [`${idOf(side)}-orders`, `${idOf(side)}-told`] },
  };
}

/** Those of a side; `secrets` its task has not declared. */
function assetsOf(side: Side): AssetSpec[] {
  const task = idOf(side);
  const others = ["customers", "secrets", "told"].map((name) => ({ id: `${task}-${name}` }));
  return [{ id: `${task}-orders`, uri: `s3://lake/${task}` }, ...others];
}
