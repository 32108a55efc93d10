// Faults to catch: what a Python task declares of its state that its manifest forgets, or gives with another version; a module that
// cannot be loaded, told without its file; a module that declares nothing and is loaded all the same, or whose manifest is another than before.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { compileProject } from "../compile.ts";
import { declaresState } from "./python-states.ts";

const root = mkdtempSync(join(tmpdir(), "holdfast-python-states-"));
after(() => rmSync(root, { recursive: true, force: true }));

const declaring = `
import dataclasses
import typing
from holdfast_sdk import VersionedState, task

print("loading")

class Kept(typing.TypedDict, total=False):
    at: typing.Optional[int]
    log: typing.List["Line"]

@dataclasses.dataclass
class Line:
    text: str
    more: "typing.List[Line]" = dataclasses.field(default_factory=list)

@task(state=Kept, task_state=VersionedState(Line, version=3))
def typed(ctx): ...

@task(convert=False)
def untyped(ctx): ...
`;

test("what Python tasks declare of their state is in the manifest, the schema with its version", async () => {
  writeFileSync(join(root, "typed.py"), declaring);
  // Nobody who declares nothing is loaded.
  writeFileSync(join(root, "plain.py"), `import nowhere\ndef main(ctx):\n    state = ctx.state\n`);
  const tasks = [
    "a: { executor: python, file: typed.py, function: typed }",
    "b: { executor: python, file: typed.py, function: untyped }",
    "c: { executor: python, file: plain.py }",
  ];
  writeFileSync(join(root, "flow.yaml"), `name: flow\ntasks:\n  ${tasks.join("\n  ")}\n`);
  const { manifests, problems, files } = await compileProject({ root, files: [join(root, "flow.yaml")] });
  assert.deepEqual(problems, []);
  const specOf = (id: string) => manifests.find((each) => each.id === id)?.manifest.definitions[id];
  const [a, b, c] = ["flow.a", "flow.b", "flow.c"].map(specOf);
  assert.ok(a?.kind === "task" && b?.kind === "task" && c?.kind === "task");
  const line = {
    type: "object",
    properties: { text: { type: "string" }, more: { type: "array", items: { $ref: "#/$defs/Line" } } },
    required: ["text"],
    additionalProperties: false,
  };
  assert.deepEqual(a.state, {
    version: 1,
    schema: {
      type: "object",
      properties: {
        at: { anyOf: [{ type: "integer" }, { type: "null" }] },
        log: { type: "array", items: { $ref: "#/$defs/Line" } },
      },
      required: [],
      additionalProperties: false,
      $defs: { Line: line },
    },
  });
  assert.deepEqual(a.taskState, { version: 3, schema: { ...line, $defs: { Line: line } } });
  assert.equal("state" in b || "taskState" in b || "state" in c, false);
  assert.ok(files.includes("typed.py"), "a change of it is a reason to compile again");
});

test("a module that declares state and cannot be loaded is a mistake with its place", async () => {
  const broken = {
    "import.py": "import nowhere_at_all",
    "exit.py": "raise SystemExit(3)",
    "wrong.py": "",
    "killed.py": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
  };
  for (const [name, first] of Object.entries(broken)) {
    const state = name === "wrong.py" ? "int" : "None";
    writeFileSync(
      join(root, name),
      `from holdfast_sdk import task\n${first}\n@task(\n  state=${state})\ndef main(ctx): ...\n`,
    );
  }
  const tasks = Object.keys(broken).map((name, index) => `t${index}: { executor: python, file: ${name} }`);
  writeFileSync(join(root, "broken.yaml"), `name: broken\ntasks:\n  ${tasks.join("\n  ")}\n`);
  const { problems } = await compileProject({ root, files: [join(root, "broken.yaml")] });
  const said = problems.map(({ file, line, message }) => `${file}:${line} ${message}`);
  assert.match(said[0] ?? "", /^broken.yaml:3 .*import\.py declares state.*ModuleNotFoundError.*nowhere_at_all/);
  assert.match(said[1] ?? "", /^broken.yaml:4 .*exit\.py declares state.*SystemExit: 3/);
  assert.match(said[2] ?? "", /^broken.yaml:5 .*wrong\.py declares state.*int is no class with annotated names/);
  assert.match(said[3] ?? "", /^broken.yaml:6 .*killed\.py declares state.*was ended by SIGKILL/);
  const { problems: none } = await compileProject({ root, files: [join(root, "flow.yaml")], python: "no-such-python" });
  assert.match(none[0]?.message ?? "", /no no-such-python is in PATH/);
});

test("only a decorator of tasks declares state", () => {
  assert.deepEqual(
    [
      "@task(state=A)",
      "@sdk.task(\n  convert=f(1),\n  task_state = A)",
      "@task(convert=f())\ndef g():\n  state = 1",
      "x = task",
    ].map(declaresState),
    [true, true, false, false],
  );
});
