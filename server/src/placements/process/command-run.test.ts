import assert from "node:assert/strict";
import { test } from "node:test";
import { CommandRun } from "./command-run.ts";

// Fault to catch: a number of a command's output that becomes another one without a word.

function returned(line: string) {
  const run = new CommandRun();
  run.take("stdout", Buffer.from(`HOLDFAST_OUTPUT:${line}\n`));
  return run.returned();
}

for (const number of ["1e400", "-1e400", "12345678901234567890", "9007199254740993"]) {
  test(`the number ${number} in a command's output is refused, for it cannot be kept`, () => {
    const { method, params } = returned(`{"a":[${number}]}`);
    assert.equal(method, "run.fail");
    assert.ok("error" in params);
    assert.match(params.error.message, new RegExp(`It has the number "${number}", which readers of JSON cannot keep`));
  });
}

test("numbers that can be kept, and texts that look like others, are the output", () => {
  const text = '{"a":[9007199254740991,0.1,1e3,-0,"1e400"],"b":{"__proto__":1}}';
  assert.deepEqual(returned(text), { method: "run.succeed", params: { output: JSON.parse(text) } });
});
