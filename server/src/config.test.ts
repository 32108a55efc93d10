import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ensureStateFolder, findProject, resolveSettings } from "./config.ts";

const root = mkdtempSync(join(tmpdir(), "holdfast-config-"));
after(() => rmSync(root, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const file = join(root, name);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, text);
  return file;
}

test("the root is the folder of the nearest config, else of the nearest package.json, else the folder itself", () => {
  write("shop/package.json", '{ "name": "@acme/shop" }');
  mkdirSync(join(root, "shop/tasks/deep"), { recursive: true });
  assert.deepEqual(findProject(join(root, "shop/tasks/deep")), { root: join(root, "shop"), configFile: undefined });
  const configFile = write("holdfast.config.ts", "export default {};");
  assert.deepEqual(findProject(join(root, "shop/tasks/deep")), { root, configFile });
  rmSync(configFile);
  mkdirSync(join(root, "plain"));
  assert.equal(findProject(join(root, "plain")).root, join(root, "plain"));
});

test("a flag beats the environment, which beats the file, which beats the default", () => {
  const sources = {
    place: { root: join(root, "shop"), configFile: undefined },
    file: { port: 1, lease: "20s", concurrency: 2, retention: { runs: "5d" } },
    env: {
      HOLDFAST_PORT: "2",
      HOLDFAST_CONCURRENCY: "3",
      HOLDFAST_INCLUDE: "a/**, b/**",
      HOLDFAST_RETENTION_LOGS: "1d",
    },
    flags: { port: "3" },
  };
  const { settings, problems } = resolveSettings(sources);
  assert.deepEqual(problems, []);
  assert.equal(settings.port, 3);
  assert.equal(settings.concurrency, 3);
  assert.equal(settings.leaseMs, 20_000);
  assert.deepEqual(settings.include, ["a/**", "b/**"]);
  assert.deepEqual(settings.retention, {
    runsMs: 5 * 86_400_000,
    keysMs: 30 * 86_400_000,
    logsMs: 86_400_000,
    assetEventsMs: 30 * 86_400_000,
  });
  assert.equal(settings.store, "sqlite:.holdfast/holdfast.db");
  assert.equal(settings.app, "@acme/shop");
});

test("queues may have slots, rates or both; ageing is a duration, or never", () => {
  const place = { root: join(root, "shop"), configFile: undefined };
  const of = (file: Record<string, unknown>) => resolveSettings({ place, file });
  const queues = { etl: { concurrency: 4, rate: { limit: 100, per: "1m" } }, mail: { rate: { limit: 1, per: "1s" } } };
  assert.deepEqual(of({ queues }).settings.queues, {
    etl: { concurrency: 4, rate: { limit: 100, perMs: 60_000 } },
    mail: { rate: { limit: 1, perMs: 1_000 } },
  });
  const told = (rate: unknown) =>
    of({ queues: { q: { rate } } }).problems.map(({ message, hint }) => `${message} ${hint}`);
  assert.deepEqual(told(5), ['"queues.q.rate" is 5. Write { limit: 100, per: "1m" }.']);
  assert.deepEqual(told({ limits: 1, per: "40d" }), [
    'unknown key "queues.q.rate.limits". Did you mean "limit"?',
    '"queues.q.rate.limit" is null. Write a whole number from 1 to 1000.',
    '"queues.q.rate.per" is "40d". Write a duration such as "1s", "1m" or "1h", of at most 30 days.',
  ]);
  assert.equal(of({}).settings.ageingMs, 600_000);
  assert.equal(of({ ageing: "1h" }).settings.ageingMs, 3_600_000);
  assert.ok(of({ ageing: "never" }).settings.ageingMs > 80_000 * 3_600_000);
  assert.equal(of({ ageing: "soon" }).problems.length, 1);
});

test("values of state are kept as long as their kind says, a duration or never, and mistakes are named", () => {
  const of = (state: unknown) =>
    resolveSettings({ place: { root: join(root, "shop"), configFile: undefined }, file: { state } });
  assert.deepEqual(of(undefined).settings.stateRetention, {});
  const { settings, problems } = of({ retention: { run: "30d", task: "never" } });
  assert.deepEqual([settings.stateRetention, problems], [{ run: 30 * 86_400_000, task: null }, []]);
  const told = (state: unknown) => of(state).problems.map(({ message, hint }) => `${message} ${hint}`);
  assert.deepEqual(told({ retention: { runs: "1d", task: 5, run: "0s" } }), [
    'unknown key "state.retention.runs". Did you mean "run"?',
    '"state.retention.task" is 5. Write a duration such as "30d", or "never".',
    '"state.retention.run" is "0s". Write a duration such as "30d", or "never".',
  ]);
  assert.deepEqual(told({ retain: {} }), [
    'unknown key "state.retain". Known: "retention", "backend", "inlineBytes", "sweepAfter", "acceptLoss".',
  ]);
  assert.deepEqual(told({ retention: 5 }), ['"retention" is no object. Write { run: "30d", task: "never" }.']);
});

test("unknown keys and wrong values are problems that name the place and what is meant", () => {
  const text =
    'export default {\n  stroe: "memory:",\n  port: 70_000,\n  queues: { etl: 4 },\n  retention: { rnus: "1d" },\n  lease: "soon",\n};\n';
  const configFile = write("bad/holdfast.config.ts", text);
  const { problems } = resolveSettings({
    place: { root: join(root, "bad"), configFile },
    file: { stroe: "memory:", port: 70_000, queues: { etl: 4 }, retention: { rnus: "1d" }, lease: "soon" },
    env: { HOLDFAST_STORE: "mysql://x" },
    flags: { host: "a b" },
  });
  assert.deepEqual(
    problems.map(({ file, line, message, hint }) => `${file === configFile ? line : "-"} ${message} ${hint}`),
    [
      '2 unknown key "stroe". Did you mean "store"?',
      '5 unknown key "retention.rnus". Did you mean "runs"?',
      '- HOLDFAST_STORE is "mysql://x". Write "sqlite:./file.db", "file:./folder", "postgres://…" or "memory:".',
      '6 "lease" is "soon". Write a duration such as "15s" or "30d", at least 1s.',
      '4 "queues.etl" says no "concurrency" and no "rate". Write { etl: { concurrency: 4 } } or { etl: { rate: { limit: 100, per: "1m" } } }.',
      '3 "port" is 70000. Write a whole number from 0 to 65535.',
      '- --host is "a b". Write an address or a host name.',
    ],
  );
});

test("the state folder is made with its own .gitignore, once", () => {
  const folder = ensureStateFolder(root);
  assert.equal(readFileSync(join(folder, ".gitignore"), "utf8"), "*\n");
  writeFileSync(join(folder, ".gitignore"), "mine");
  ensureStateFolder(root);
  assert.equal(readFileSync(join(folder, ".gitignore"), "utf8"), "mine");
  assert.ok(existsSync(folder));
});

test("the Python of Python tasks is looked for unless a flag, the environment or the file names one", () => {
  const place = { root: join(root, "shop"), configFile: undefined };
  const python = (sources: Partial<Parameters<typeof resolveSettings>[0]>) =>
    resolveSettings({ place, ...sources }).settings.python;
  assert.equal(python({}), undefined);
  const file = { python: ".venv/bin/python" };
  assert.equal(python({ file }), ".venv/bin/python");
  assert.equal(python({ file, env: { HOLDFAST_PYTHON: "python3.12" } }), "python3.12");
  assert.equal(resolveSettings({ place, file: { python: 3 } }).problems[0]?.hint, "Write a path or a program's name.");
});

test("large values of state lie in the store, or where a backend is named; what says nothing without one is refused", () => {
  const place = { root: join(root, "shop"), configFile: undefined };
  const of = (state: unknown, env = {}) => resolveSettings({ place, file: state === undefined ? {} : { state }, env });
  const usual = { backend: "store", inlineBytes: 65_536, sweepAfterMs: 3_600_000, acceptLoss: false };
  assert.deepEqual(of(undefined), { settings: of(undefined).settings, problems: [] });
  assert.deepEqual(of(undefined).settings.state, usual);
  for (const backend of ["file:./objects", "redis://h:6379/1", "rediss://u:p@h", "module:./mine.ts"]) {
    const { settings, problems } = of({ backend, inlineBytes: 2_048, sweepAfter: "2h", acceptLoss: true });
    assert.deepEqual(problems, []);
    assert.deepEqual(settings.state, { backend, inlineBytes: 2_048, sweepAfterMs: 7_200_000, acceptLoss: true });
  }
  assert.equal(of({ backend: "store" }, { HOLDFAST_STATE_BACKEND: "redis://h" }).settings.state.backend, "redis://h");
  const told = (state: unknown) => of(state).problems.map(({ message, hint }) => `${message} ${hint}`);
  assert.match(told({ backend: "s3://bucket" })[0] ?? "", /"state.backend" is "s3:\/\/bucket". Write "store", "file:/);
  assert.match(
    told({ backend: "file:x", inlineBytes: 1e6 })[0] ?? "",
    /"state.inlineBytes" is 1000000. .*1024 to 65536/,
  );
  assert.match(
    told({ inlineBytes: 4_096 })[0] ?? "",
    /"state.inlineBytes" says nothing while all values lie in the store/,
  );
  assert.match(told({ backnd: "file:x" })[0] ?? "", /unknown key "state.backnd"..*backend/);
  assert.match(told("file:x")[0] ?? "", /"state" is no object/);
});
