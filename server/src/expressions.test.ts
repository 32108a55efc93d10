import assert from "node:assert/strict";
import { test } from "node:test";
import { ExpressionError, evaluateExpression, parseExpression } from "./expressions.ts";

const scope = {
  params: { n: 3, half: 1.5, day: "mon", list: [3, 2, 3], none: null, "odd key": 1 },
  tasks: { extract: { output: { files: ["a", "b"] } }, "extract#2": { output: 7 } },
  item: { id: "x", size: 4 },
};
const values: readonly (readonly [string, unknown])[] = [
  ["params.n + 1", 4],
  ["1 - params.n", -2],
  ["params.n * params.half", 4.5],
  ["params.n / 2", 1.5],
  ["params.n % 2 == 1", true],
  ["7 / 2", 3],
  ["params.n == 3 && params.n > 2 && params.n in [1, 3]", true],
  ["size(params.list) > 2 && size(params.list) + params.n == 6", true],
  ["params.list[0] == params.list[2]", true],
  ["params.list.map(x, x * 2)", [6, 4, 6]],
  ["size(params.list)", 3],
  ['{"a": params.n, "b": [1, "z", params.none]}', { a: 3, b: [1, "z", null] }],
  ['params["odd key"]', 1],
  ['params.day + "-" + string(params.n)', "mon-3"],
  ["has(params.missing) ? 1 : 2", 2],
  ["tasks.extract.output.files", ["a", "b"]],
  ['tasks["extract#2"].output + item.size', 11],
  ['timestamp("2024-01-01T00:00:00Z")', "2024-01-01T00:00:00.000Z"],
];
for (const [text, value] of values) {
  test(`${text} is ${JSON.stringify(value)}`, () => {
    assert.deepEqual(evaluateExpression(parseExpression(text), scope), value);
  });
}

test("an expression tells which nodes it reads and whether it reads the item", () => {
  const parsed = parseExpression(
    'tasks.b.output.x + tasks["a#2"].output[0] + size(params.l.filter(y, y in tasks.c.output))',
  );
  assert.deepEqual([parsed.tasks, parsed.usesItem], [["a#2", "b", "c"], false]);
  assert.equal(parseExpression("item.id").usesItem, true);
});

const mistakes: readonly (readonly [string, RegExp, RegExp])[] = [
  ["params.n + ", /Unexpected token: EOF at character 12/, /CEL/],
  ["foo + 1", /Unknown variable: foo at character 1/, /params, tasks, item/],
  ["max(1, 2)", /no matching overload/, /^There is no function "max"\. Did you mean "map"\?$/],
  ['"a".startWith("b")', /no matching overload/, /^There is no function "startWith"\. Did you mean "startsWith"\?$/],
  ["size(1)", /no matching overload/, /another function/],
  ["tasks[params.day].output", /tasks must be followed by the name of a node/, /tasks\.NAME\.output/],
  ["size(tasks)", /tasks must be followed/, /tasks\.NAME\.output/],
  ["tasks.extract.files", /tasks\.extract has no "files"/, /tasks\.extract\.output/],
];
for (const [text, message, hint] of mistakes) {
  test(`${JSON.stringify(text)} is refused with the place and a remedy`, () => {
    assert.throws(
      () => parseExpression(text),
      (error) => {
        assert.ok(error instanceof ExpressionError);
        assert.match(error.message, message);
        assert.match(error.hint, hint);
        return true;
      },
    );
  });
}

test("an expression that has no JSON value fails when it is evaluated", () => {
  assert.throws(() => evaluateExpression(parseExpression("params.missing"), scope), /No such key: missing/);
  assert.throws(() => evaluateExpression(parseExpression("params.n / 0"), scope), /JSON cannot say/);
  assert.throws(() => evaluateExpression(parseExpression("9007199254740993"), scope), /too large for a JSON number/);
  assert.throws(() => evaluateExpression(parseExpression('b"x"'), scope), /no JSON/);
  for (const text of ['"a\\u0000"', '["a\\x00"]', '{"k": {"a\\u0000b": 1}}']) {
    assert.throws(() => evaluateExpression(parseExpression(text), scope), /has a NUL, which cannot be stored/, text);
  }
});
