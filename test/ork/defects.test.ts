// What went wrong in Ork, by the numbers of its list, with workflows in YAML and real processes.
// Faults to catch: those of the list. Where a number is about the store alone, its contract and the kill tests say more.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { AppError } from "@holdfast/protocol";
import { systemClock } from "../../server/src/clock.ts";
import { Embedded } from "../../server/src/embedded.ts";
import { applyProject, serve, startNode } from "../../server/src/main.ts";
import { mergeCalls } from "../../server/src/store/merging.ts";
import { openStore } from "../../server/src/store/open.ts";
import { Project } from "../cli/command.ts";

const timeout = 300_000;

/** One task that says that it has begun, and ends when the file `go` is there. */
const hold = `name: flow
tasks:
  hold:
    executor: process
    command: |
      echo $$ >> pids
      echo "holding $(wc -l < pids)"
      while [ ! -e go ]; do sleep 0.02; done
      echo "ORK_OUTPUT:{\\"attempt\\":$ORK_ATTEMPT}"
    output_type: { attempt: int }
  next:
    executor: process
    command: cat
    depends_on: [hold]
    input_type: { attempt: int }
    inputs: { attempt: { ref: tasks.hold.output.attempt } }
output: { ref: tasks.hold.output.attempt }
`;

interface Shown {
  readonly run: { readonly status: string };
  readonly tree: readonly { readonly name: string; readonly status: string; readonly attempt: number }[];
}

function pidsOf(project: Project): number[] {
  return readFileSync(join(project.root, "pids"), "utf8").trim().split("\n").map(Number);
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[XZ]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

async function idOf(project: Project): Promise<string> {
  const { stdout } = await project.run("runs", "list", "--json");
  return (JSON.parse(stdout) as { runs: { id: string }[] }).runs[0]?.id ?? "";
}

async function shown(project: Project, id: string): Promise<Shown> {
  const { stdout } = await project.run("runs", "show", id, "--json");
  return JSON.parse(stdout) as Shown;
}

test("Ork defect 17 and 19: a claim is stored before its process starts, and after a crash nobody waits for a process that is gone", {
  timeout,
}, async (t) => {
  const project = new Project(t, { "flow.yaml": hold });
  const first = project.start("run", "flow.yaml");
  await first.says(/hold \| holding/);
  const id = await idOf(project);
  const before = await shown(project, id);
  assert.deepEqual(
    before.tree.map(({ name, status, attempt }) => [name, status, attempt]),
    [
      ["hold", "running", 1],
      ["next", "pending", 1],
    ],
  );
  first.kill("SIGKILL");
  await first.ended;
  const second = project.start("run", "flow.yaml", "--resume");
  // What the lost process had said is shown again first.
  await second.says(/hold \| holding 2/);
  const [lost = 0, current = 0, ...more] = pidsOf(project);
  assert.deepEqual(more, []);
  assert.equal(isAlive(lost), false, "the process of the node that died was left behind");
  assert.ok(isAlive(current));
  project.write("go", "");
  const { code, stdout } = await second.ended;
  assert.equal(code, 0);
  // A loss is no attempt.
  assert.equal(stdout, "1\n");
});

test("Ork defect 18: a store that fails in the middle of a batch of endings loses none of them", {
  timeout,
}, async (t) => {
  const flow = `name: flow
tasks:
  each:
    executor: process
    command: echo ORK_OUTPUT:1
    foreach: { ref: params.items }
    input_type: { item: int }
    output_type: int
    inputs: { item: { ref: item } }
params: { items: [int] }
output: { ref: tasks.each.output }
`;
  const project = new Project(t, { "flow.yaml": flow });
  const store = await openStore("memory:", { role: "either", clock: systemClock });
  let failures = 3;
  const failing = new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name !== "finishActivations" || failures === 0) return value.bind(target) as unknown;
      return () => {
        failures--;
        return Promise.reject(new AppError("store_unavailable", "The connection was lost."));
      };
    },
  });
  const services = serve(mergeCalls(failing, { clock: systemClock }), {});
  const node = await startNode(services, { root: project.root });
  const client = new Embedded(services, node);
  t.after(() => client.close({ graceMs: 0 }));
  await applyProject(services, { root: project.root, include: ["*.yaml"] });
  const items = Array.from({ length: 20 }, (_, i) => i);
  const run = await client.start("flow", { items });
  assert.deepEqual(
    await run.result(),
    Array.from({ length: 20 }, () => 1),
  );
  assert.equal(failures, 0);
});

test("Ork defect 20: two that carry out the same store start each task once", { timeout }, async (t) => {
  const items = Array.from({ length: 24 }, (_, i) => `i${i}`);
  const flow = (name: string) => `name: ${name}
params: { items: { type: [str], default: [${items.join(", ")}] } }
tasks:
  each:
    executor: process
    command: echo "$ORK_INPUT_JSON" >> ${name}.started
    foreach: { ref: params.items }
    input_type: { item: str }
    inputs: { item: { ref: item } }
`;
  const project = new Project(t, { "a.yaml": flow("a"), "b.yaml": flow("b") });
  const both = await Promise.all([project.run("run", "a.yaml"), project.run("run", "b.yaml")]);
  for (const { code, stderr } of both) assert.equal(code, 0, stderr);
  for (const name of ["a", "b"]) {
    const started = readFileSync(join(project.root, `${name}.started`), "utf8")
      .trim()
      .split("\n");
    assert.deepEqual(started.sort(), items.map((item) => JSON.stringify({ item })).sort());
  }
});

test("Ork defect 21 and 22: a timeout ends the process, though it heeds no signal, and nothing of it comes into the next attempt", {
  timeout,
}, async (t) => {
  const project = new Project(t, {
    "flow.yaml": `name: flow
tasks:
  stubborn:
    executor: process
    command: |
      echo $$ >> pids
      echo "ORK_OUTPUT:$ORK_ATTEMPT"
      [ "$ORK_ATTEMPT" = 1 ] || exit 0
      trap '' TERM
      while :; do sleep 0.02; done
    timeout: 1
    retry: { attempts: 2, delay: 0 }
    output_type: int
output: { ref: tasks.stubborn.output }
`,
  });
  const { code, stdout, stderr } = await project.run("run", "flow.yaml");
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "2\n");
  assert.match(stderr, /stubborn .*(?:1s|1\.0 ?s|timed out|timeout)/i);
  const [first = 0, second = 0] = pidsOf(project);
  assert.notEqual(first, second);
  assert.equal(isAlive(first), false);
});

test("Ork defect 22 and 23: a cancel ends the process, and every task of the run has ended with it", {
  timeout,
}, async (t) => {
  const project = new Project(t, { "flow.yaml": hold });
  const running = project.start("run", "flow.yaml");
  await running.says(/hold \| holding/);
  const id = await idOf(project);
  assert.equal((await project.run("runs", "cancel", id)).code, 0);
  const { code } = await running.ended;
  assert.equal(code, 1);
  const [pid = 0] = pidsOf(project);
  assert.equal(isAlive(pid), false);
  const after = await shown(project, id);
  assert.equal(after.run.status, "cancelled");
  for (const child of after.tree) assert.match(child.status, /cancelled|skipped/, child.name);
});

test("Ork defect 24: a cron of five fields is taken, a wrong one refused with its line, and applying anew changes what is kept", {
  timeout,
}, async (t) => {
  const project = new Project(t, { "flow.yaml": `schedule: "0 3 * * 1-8"\n${hold}` });
  for (const command of ["validate", "apply", "run"]) {
    const { code, stderr } = await project.run(command, "flow.yaml");
    assert.equal(code, 2, command);
    assert.match(stderr, /flow\.yaml:1:11: "schedule": "cron": "0 3 \* \* 1-8" is no cron/, command);
  }
  const next = async () => {
    const listed = await project.run("schedules", "list", "--json");
    const { schedules } = JSON.parse(listed.stdout) as { schedules: { next: string[] }[] };
    return schedules.map((one) => one.next[0]?.slice(11));
  };
  for (const hour of ["03", "04"]) {
    project.write("flow.yaml", `schedule: "0 ${Number(hour)} * * *"\n${hold}`);
    const { code, stderr } = await project.run("apply", "flow.yaml");
    assert.equal(code, 0, stderr);
    assert.deepEqual(await next(), [`${hour}:00:00.000Z`]);
  }
  project.write("flow.yaml", hold);
  await project.run("apply", "flow.yaml");
  assert.deepEqual(await next(), []);
});

test("Ork defect 26: a flood of log lines is kept from its first line to its last, in order", {
  timeout,
}, async (t) => {
  const lines = 20_000;
  const project = new Project(t, {
    "flow.yaml": `name: flow\ntasks: { flood: { executor: process, command: seq 1 ${lines} } }\n`,
  });
  const { code, stderr } = await project.run("run", "flow.yaml", "--json");
  assert.equal(code, 0, stderr);
  const { stdout } = await project.run("runs", "logs", await idOf(project));
  const numbers = stdout
    .trim()
    .split("\n")
    .map((line) => Number(line.split(" ").at(-1)));
  assert.deepEqual(
    numbers,
    Array.from({ length: lines }, (_, i) => i + 1),
  );
});

test("Ork defect 27: large inputs arrive, and an output over its limit is refused in words", { timeout }, async (t) => {
  const letters = 400_000;
  const project = new Project(t, {
    "flow.yaml": `name: flow
tasks:
  large:
    executor: process
    command: |
      [ -z "$ORK_INPUT_JSON" ] || exit 3
      printf 'ORK_OUTPUT:%s\\n' "$(wc -c < "$HOLDFAST_INPUT")"
    input_type: { text: str }
    output_type: int
    inputs: { text: { const: ${"x".repeat(letters)} } }
output: { ref: tasks.large.output }
`,
    "huge.yaml": `name: huge
tasks:
  huge: { executor: process, command: "printf ORK_OUTPUT:; head -c 2000000 /dev/zero | tr '\\\\0' 1" }
`,
  });
  const { code, stdout, stderr } = await project.run("run", "flow.yaml");
  assert.equal(code, 0, stderr);
  assert.equal(Number(stdout), letters + '{"text":""}'.length);
  const huge = await project.run("run", "huge.yaml");
  assert.equal(huge.code, 1);
  assert.match(huge.stdout + huge.stderr, /1048576|bytes/);
});

test("Ork defect 29: a failed run is a failed command, and another page's request starts nothing", {
  timeout,
}, async (t) => {
  const project = new Project(t, {
    "flows/bad.yaml": "name: bad\ntasks:\n  fails: { executor: process, command: echo no >&2; exit 4 }\n",
    "flows/start.yaml": "name: start\ntasks: { touch: { executor: process, command: touch started } }\n",
    "holdfast.config.ts":
      'import { defineConfig } from "holdfast/config";\nexport default defineConfig({ include: ["flows/**"] });\n',
  });
  const failed = await project.run("run", "flows/bad.yaml");
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /exit code 4/);
  const dev = project.start("dev", "--port", "0");
  const [, url = ""] = await dev.says(/(http:\/\/127\.0\.0\.1:\d+)/);
  await dev.says(/4 definitions/);
  const asked = await fetch(`${url}/v1/runs`, {
    method: "POST",
    headers: { "content-type": "application/json", origin: "https://evil.example" },
    body: JSON.stringify({ definition: "start", input: {} }),
  });
  assert.equal(asked.status, 403);
  assert.equal(asked.headers.get("access-control-allow-origin"), null);
  const { stdout } = await project.run("runs", "list", "--definition", "start", "--json");
  assert.deepEqual((JSON.parse(stdout) as { runs: unknown[] }).runs, []);
  assert.equal(existsSync(join(project.root, "flows/started")), false);
});
