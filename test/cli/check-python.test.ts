// Faults to catch: a Python file that cannot be read validates; a task validates whose function or module is not there, or has
// a parameter that nobody gives; code of a task is run to look at it; a project without Python
// tasks wants a Python; what is configured and is no Python is taken for one.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Project } from "./command.ts";

const yaml = `
name: shell
tasks:
  tell:
    executor: python
    file: tell.py
    function: tell
`;
const sound = 'open("loaded", "w").close()\n\ndef tell():\n    return 1\n';

test("validate has Python read the files of Python tasks, without running them", async (t) => {
  const project = new Project(t, { "workflows/shell.yaml": yaml, "workflows/tell.py": sound });
  const first = await project.run("validate");
  assert.equal(first.code, 0, first.stderr);
  assert.ok(!existsSync(join(project.root, "loaded")));
  project.write("workflows/tell.py", `${sound}\ndef other(:\n    pass\n`);
  const { code, stderr } = await project.run("validate");
  assert.equal(code, 2);
  assert.match(stderr, /workflows\/tell\.py:6: Python cannot read it: invalid syntax/);
});

test("validate holds the tasks against their functions, and tells what can only fail", async (t) => {
  const of = (name: string, code: string) =>
    `  ${name}: { executor: python, ${code}, input_type: { n: int }, inputs: { n: { const: 1 } } }\n`;
  const wrong = ["value", "two", "gen"].map((name) => of(name, `file: ok.py, function: ${name}`));
  const right = ["fine", "whole", "wrapped", "made"].map((name) => of(name, `file: ok.py, function: ${name}`));
  const modules = [
    of("absent", "module: no.such.module"),
    of("standard", "module: json.tool"),
    of("own", "module: workflows.ok, function: two"),
  ];
  const project = new Project(t, {
    "workflows/all.yaml": `name: all\ntasks:\n${[...wrong, ...right, ...modules].join("")}`,
    "workflows/ok.py": `open("loaded", "w").close()
value = 3
def two(n: int, m: str): return n
def gen(n):
    yield n
def fine(ctx, n: int, *, extra=1, **more): return n
def whole(everything): return 1
@some.decorator
def wrapped(a, b): return 1
made = some.maker()
`,
  });
  const { code, stderr } = await project.run("validate");
  assert.equal(code, 2, stderr);
  const told = stderr.match(/(?:workflows\/ok\.py:\d+: )?task "all\.\w+": [^\n]+/g);
  assert.deepEqual(told?.sort(), [
    'task "all.absent": there is no module no.such.module.',
    'workflows/ok.py:2: task "all.value": value is no function.',
    'workflows/ok.py:3: task "all.own": two has the parameter "m", which its input does not have.',
    'workflows/ok.py:3: task "all.two": two has the parameter "m", which its input does not have.',
    'workflows/ok.py:4: task "all.gen": gen is a generator.',
  ]);
  assert.match(stderr, /Its input has "n": add it there \(input_type\), or give the parameter a default\./);
  assert.ok(!existsSync(join(project.root, "loaded")));
});

test("validate warns of a Python that is none, and doctor names the one there is", async (t) => {
  const project = new Project(t, { "workflows/shell.yaml": yaml, "workflows/tell.py": sound });
  const absent = await project.startWith({ HOLDFAST_PYTHON: "/nowhere" }, "validate").ended;
  assert.equal(absent.code, 0);
  assert.match(absent.stderr, /warn The Python that is configured is not there/);
  const other = await project.startWith({ HOLDFAST_PYTHON: "/bin/true" }, "validate").ended;
  assert.match(other.stderr, /warn \/bin\/true does not answer/);
  const { stdout } = await project.run("doctor");
  assert.match(stdout, /python +Python 3\.\d+\.\d+ at \//);
});

test("nobody asks for a Python where no task is in Python", async (t) => {
  const task = 'import { task } from "holdfast";\nexport const one = task({ id: "one" }, () => 1);\n';
  const project = new Project(t, { "tasks/one.ts": task });
  const { code, stderr } = await project.startWith({ HOLDFAST_PYTHON: "/nowhere" }, "validate").ended;
  assert.equal(code, 0);
  assert.doesNotMatch(stderr, /Python/);
});
