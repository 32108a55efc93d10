// Faults to catch: a Python file that cannot be read validates; code of a task is run to look at it; a project without Python
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
