import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { limits } from "@holdfast/protocol";
import { storedValue } from "./stored-value.ts";

describe("what JSON keeps of a value", () => {
  it("is a copy: dates as text, undefined fields gone, undefined itself and holes null", () => {
    const given = { at: new Date(0), gone: undefined, list: [1, undefined, ...new Array(1), 2], deep: { a: null } };
    const kept = storedValue(given, "It");
    assert.deepEqual(kept, { at: "1970-01-01T00:00:00.000Z", list: [1, null, null, 2], deep: { a: null } });
    assert.equal(storedValue(undefined, "It"), null);
    given.deep.a = 1 as never;
    assert.deepEqual((kept as { deep: unknown }).deep, { a: null });
  });

  it("takes the same object twice, but not one that contains itself", () => {
    const shared = { x: 1 };
    assert.deepEqual(storedValue([shared, shared], "It"), [{ x: 1 }, { x: 1 }]);
    const circle: Record<string, unknown> = {};
    circle.self = { circle };
    assert.throws(
      () => storedValue(circle, "It"),
      /^TypeError: It\.self\.circle is a reference to something that contains it/,
    );
  });

  it("keeps what is nested as deep as it may be, and refuses one level more", () => {
    const nested = (levels: number) => JSON.parse(`${"[".repeat(levels)}${"]".repeat(levels)}`) as unknown;
    assert.deepEqual(storedValue(nested(limits.nestingLevels), "It"), nested(limits.nestingLevels));
    const endless = { toJSON: () => ({ ...endless }) };
    for (const deeper of [nested(limits.nestingLevels + 1), nested(100_000), endless]) {
      assert.throws(() => storedValue(deeper, "It"), {
        code: "too_large",
        message: "It is nested deeper than 500 levels.",
        hint: /a list of what lies within each other/,
      });
    }
  });

  it("names the path and the kind of what it refuses", () => {
    const refused: readonly [unknown, RegExp][] = [
      [{ a: [new Map()] }, /^TypeError: It\.a\[0\] is a Map, which JSON cannot keep/],
      [new Set(), /It is a Set/],
      [{ n: Number.NaN }, /It\.n is NaN/],
      [[Number.POSITIVE_INFINITY], /It\[0\] is Infinity/],
      [{ big: 1n }, /It\.big is a bigint/],
      [() => 1, /It is a function/],
      [{ s: Symbol("s") }, /It\.s is a symbol/],
      [Promise.resolve(), /It is a Promise/],
      [new Error("e"), /It is an Error/],
      [/r/, /It is a RegExp/],
      [new Uint8Array(1), /It is an Uint8Array/],
      ["a\u0000b", /It is text with a NUL character/],
      [{ "k\ud800": 1 }, /half a surrogate pair/],
    ];
    for (const [value, words] of refused) assert.throws(() => storedValue(value, "It"), words);
  });

  it("keeps a field named __proto__ a field", () => {
    const kept = storedValue(JSON.parse('{"__proto__": {"polluted": true}}'), "It");
    assert.equal(JSON.stringify(kept), '{"__proto__":{"polluted":true}}');
    assert.equal((kept as { polluted?: boolean }).polluted, undefined);
  });
});
