import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { childId, childIdentity, isRunId, keyIdentity, rootId, tokenIdentity } from "./ids.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest();
const tails = fc.uint8Array({ minLength: 9, maxLength: 32 });
const moments = fc.integer({ min: 0, max: 32 ** 7 * 1_000 - 1 });

test("an id is 20 characters of Crockford's base 32 in lower case", () => {
  fc.assert(
    fc.property(moments, tails, (now, tail) => {
      const id = rootId(now, tail);
      assert.match(id, /^[0123456789abcdefghjkmnpqrstvwxyz]{20}$/);
      assert.ok(isRunId(id));
    }),
  );
});

test("an id of today is the one it has always been", () => {
  const tail = Uint8Array.from([0x00, 0x44, 0x32, 0x14, 0xc7, 0x42, 0x54, 0xb6, 0x35, 0xcf]);
  assert.equal(rootId(1_800_000_000_000, tail), "1nmkmg00123456789abc");
  assert.equal(
    childId("1nmkmg00123456789abc", sha256(childIdentity("1nmkmg00123456789abc", 1, "transform[eu]"))),
    rootId(1_800_000_000_000, sha256('["run","1nmkmg00123456789abc",1,"transform[eu]"]')),
  );
});

test("ids sort by the second in which their tree began", () => {
  fc.assert(
    fc.property(moments, moments, tails, tails, (a, b, tailA, tailB) => {
      const [secondA, secondB] = [Math.floor(a / 1_000), Math.floor(b / 1_000)];
      if (secondA < secondB) assert.ok(rootId(a, tailA) < rootId(b, tailB));
      if (secondA === secondB) assert.equal(rootId(a, tailA).slice(0, 7), rootId(b, tailB).slice(0, 7));
    }),
  );
});

test("each of the first 65 bits of the tail counts, and nothing behind them", () => {
  const zero = new Uint8Array(9);
  const seen = new Set<string>();
  for (let bit = 0; bit < 72; bit++) {
    const tail = Uint8Array.from(zero);
    tail[bit >> 3] = 0x80 >> (bit & 7);
    if (bit < 65) seen.add(rootId(0, tail));
    else assert.equal(rootId(0, tail), rootId(0, zero));
  }
  assert.equal(seen.size, 65);
  assert.ok(!seen.has(rootId(0, zero)));
});

test("a child shares the time of its tree and is known by parent, generation and name alone", () => {
  const parent = rootId(1_800_000_000_000, sha256("parent"));
  const child = (parentId: string, generation: number, name: string) =>
    childId(parentId, sha256(childIdentity(parentId, generation, name)));
  assert.equal(child(parent, 1, "a").slice(0, 7), parent.slice(0, 7));
  assert.equal(child(parent, 1, "a"), child(parent, 1, "a"));
  const others = [child(parent, 2, "a"), child(parent, 1, "b"), child(rootId(0, sha256("x")), 1, "a"), parent];
  assert.equal(new Set([...others, child(parent, 1, "a")]).size, 5);
});

test("identities of different things never meet, whatever is written in their names", () => {
  const texts = fc.string({ unit: fc.constantFrom('"', ",", "[", "]", "\\", "a", "1"), maxLength: 6 });
  const all = fc.tuple(texts, texts, texts, fc.nat(3));
  fc.assert(
    fc.property(all, all, ([a, b, c, n], [d, e, f, m]) => {
      const same = a === d && b === e && c === f;
      assert.equal(keyIdentity(a, b, c) === keyIdentity(d, e, f), same);
      assert.equal(childIdentity(a, n, b) === childIdentity(d, m, e), a === d && b === e && n === m);
      assert.equal(tokenIdentity(a, b, n) === tokenIdentity(d, e, m), a === d && b === e && n === m);
      assert.notEqual(keyIdentity(a, b, c), childIdentity(d, m, e));
      assert.notEqual(tokenIdentity(a, b, n), childIdentity(d, m, e));
    }),
  );
});

test("a token is of one incarnation, run and generation: a restored store or a clear makes another", () => {
  const tokens = [
    tokenIdentity("store", "run", 1),
    tokenIdentity("restored", "run", 1),
    tokenIdentity("store", "other", 1),
    tokenIdentity("store", "run", 2),
  ];
  assert.equal(new Set(tokens).size, 4);
  assert.equal(tokenIdentity("store", "run", 1), tokens[0]);
});

test("what is no whole id is told apart", () => {
  const id = rootId(1_800_000_000_000, sha256("x"));
  const wrong = ["", id.slice(1), `${id}0`, id.toUpperCase(), `${id.slice(1)}i`, `${id.slice(1)}u`, `${id}\n`];
  for (const text of wrong) assert.equal(isRunId(text), text === id, JSON.stringify(text));
});
