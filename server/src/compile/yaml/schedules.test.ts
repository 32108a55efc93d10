// Faults to catch: a schedule in YAML that is another one than the same in TypeScript; a mistake without its line, or one that
// hides another.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { compileProject } from "../compile.ts";

const root = mkdtempSync(join(tmpdir(), "holdfast-yaml-schedules-"));
after(() => rmSync(root, { recursive: true, force: true }));

async function compile(name: string, file: string, text: string) {
  mkdirSync(join(root, name), { recursive: true });
  writeFileSync(join(root, name, file), text);
  return compileProject({ root: join(root, name), include: ["**"] });
}

const flow = `name: nightly
params: { day: str, level: { type: int, default: 1 } }
tasks: { a: { executor: shell, command: "true" } }
`;

const inYaml = `${flow}schedule:
  - { id: eu, cron: "0 3 * * *", tz: Europe/Berlin, params: { day: { ref: schedule.date }, level: { const: 2 } } }
  - id: us
    every: 900
    params: { day: { ref: schedule.time } }
    catch_up: all
    overlap: wait
    jitter: 30s
    start_at: 2026-01-01T09:00
    end_at: 2027-01-01T00:00:00Z
  - { id: once, at: "2026-12-24T18:00", params: { day: { const: today } } }
`;

const inTypeScript = `import { schedule, workflow } from "holdfast";
import { z } from "zod";
export const nightly = workflow(
  {
    id: "nightly",
    params: z.object({ day: z.string(), level: z.number().default(1) }),
    schedule: [
      { id: "eu", cron: "0 3 * * *", tz: "Europe/Berlin", params: { day: schedule.date, level: 2 } },
      { id: "us", every: "15m", params: { day: schedule.time }, catchUp: "all", overlap: "wait", jitter: "30s",
        startAt: "2026-01-01T09:00", endAt: "2027-01-01T00:00:00Z" },
      { id: "once", at: "2026-12-24T18:00", params: { day: "today" } },
    ],
  },
  () => 1,
);
`;

test("a schedule in YAML is the one that TypeScript makes", async () => {
  const [yaml, typescript] = [
    await compile("yaml", "nightly.yaml", inYaml),
    await compile("typescript", "nightly.ts", inTypeScript),
  ];
  assert.deepEqual([yaml.problems, typescript.problems], [[], []]);
  assert.equal(yaml.schedules.length, 3);
  const sorted = (compiled: typeof yaml) => [...compiled.schedules].sort((a, b) => (a.id < b.id ? -1 : 1));
  assert.deepEqual(sorted(yaml), sorted(typescript));
});

test("a schedule is no part of the manifest: another hour does not make another workflow", async () => {
  const hashOf = async (schedule: string) => {
    const text = flow.replace("day: str, ", "");
    const { manifests, schedules, problems } = await compile("hashes", "nightly.yaml", text + schedule);
    assert.deepEqual(problems, []);
    return [manifests.find(({ id }) => id === "nightly")?.hash, schedules.length];
  };
  const [none] = await hashOf("");
  assert.deepEqual(await hashOf('schedule: "0 3 * * *"\n'), [none, 1]);
  assert.deepEqual(await hashOf("schedule: { every: 4h, tz: Asia/Tokyo }\n"), [none, 1]);
});

test("mistakes are told with their lines, each", async () => {
  const told = async (schedule: string) => {
    const { problems, schedules } = await compile("wrong", "nightly.yaml", flow + schedule);
    assert.deepEqual(schedules, []);
    return problems.map(({ line, message }) => `${line} ${message}`);
  };
  assert.deepEqual(await told('schedule: "0 3 * *"\n'), ['4 "schedule": "cron": "0 3 * *" has 4 fields.']);
  assert.deepEqual(await told('schedule: "0 3 * * *"\n'), ['4 "schedule": "params" lacks "day".']);
  assert.deepEqual(await told("schedule: 3\n"), ['4 "schedule" is 3.']);
  assert.deepEqual(await told("schedule:\n  params: { day: x }\n  cron: 0 3 * * *\n"), [
    '5 "schedule": "params".day is "x".',
  ]);
  assert.deepEqual(await told("schedule:\n  every: 15m\n  cron: 0 3 * * *\n"), [
    '5 "schedule" says "cron" and "every".',
  ]);
  assert.deepEqual(
    await told("schedule:\n  params: { day: { ref: schedule.day } }\n  every: 10ms\n  overlap: queue\n"),
    [
      '5 "schedule": "params".day: "ref" is "schedule.day".',
      '6 "schedule": "every" is shorter than a second.',
      '7 "schedule": "overlap" is "queue".',
    ],
  );
  assert.deepEqual(await told("schedule:\n  params: { day: { const: 3 } }\n  every: 10m\n  tz: Berlin\n"), [
    '7 "schedule": "tz": there is no time zone "Berlin".',
  ]);
  assert.deepEqual(await told("schedule:\n  params: { day: { const: 3 } }\n  every: 10m\n"), [
    '5 "schedule": "params".day is a number, but a string is wanted.',
  ]);
  const two = "{ id: a, every: 10m, params: { day: { const: x } } }";
  assert.deepEqual(await told(`schedule:\n  - ${two}\n  - ${two}\n  - { every: 10m, tzz: x }\n`), [
    '6 two schedules have the id "nightly:a".',
    '7 "schedule.2" has no "id".',
    '7 "schedule.2": unknown key "tzz".',
  ]);
});
