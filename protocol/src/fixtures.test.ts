// The golden messages of the channel: this test and those of the SDKs in other languages read the same file, so that none
// of them can change what is said on the wire alone. Faults to catch: a frame that only one side understands; a method
// without an example; a limit that differs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  type ChannelMethod,
  channelMethods,
  channelVersion,
  commandSchema,
  helloSchema,
  loadedSchema,
  replySchema,
  requestSchema,
  returnedSchema,
} from "./channel.ts";
import { isAppError } from "./errors.ts";
import { encodeFrame, FrameDecoder } from "./framing.ts";
import { limits } from "./limits.ts";

interface Framing {
  readonly name: string;
  /** Bytes in hexadecimal, as they are read. */
  readonly chunks: readonly string[];
  readonly maxBytes?: number;
  readonly frames?: readonly unknown[];
  /** Instead of `frames`: one list in a list, so deep. */
  readonly depth?: number;
  readonly partial?: boolean;
  readonly error?: string;
}

const fixtures = JSON.parse(readFileSync(new URL("../fixtures/channel-v1.json", import.meta.url), "utf8")) as {
  readonly version: number;
  readonly limits: Readonly<Record<string, number>>;
  readonly framing: readonly Framing[];
  readonly encoding: readonly { readonly frame: unknown; readonly text: string }[];
  readonly commands: readonly unknown[];
  readonly badCommands: readonly unknown[];
  readonly methods: Readonly<Record<string, { readonly params: unknown; readonly result: unknown }>>;
  readonly errors: readonly unknown[];
  readonly hello: unknown;
  readonly loaded: unknown;
  readonly returned: unknown;
  readonly returnedWithCode: unknown;
};

for (const { name, chunks, maxBytes, frames = [], depth, partial = false, error } of fixtures.framing) {
  test(`frames are read as the golden ones: ${name}`, () => {
    const bytes = Buffer.from(chunks.join(""), "hex");
    const asRead = chunks.map((chunk) => Buffer.from(chunk, "hex"));
    for (const parts of [asRead, [bytes], [...bytes].map((byte) => Buffer.of(byte))]) {
      const decoder = new FrameDecoder(maxBytes);
      const read = () => parts.flatMap((part) => decoder.push(part));
      if (error !== undefined) assert.throws(read, (thrown) => isAppError(thrown) && thrown.code === error);
      else if (depth !== undefined) assert.deepEqual(read().map(depthOf), [depth]);
      else {
        assert.deepEqual(read(), frames);
        assert.equal(decoder.partial, partial);
      }
    }
  });
}

function depthOf(value: unknown): number {
  let depth = 0;
  for (let at = value; Array.isArray(at); at = at[0]) depth++;
  return depth;
}

test("frames are written as the golden ones", () => {
  for (const { frame, text } of fixtures.encoding) assert.equal(encodeFrame(frame).toString(), text);
});

test("golden commands, hello, loaded and returned have their shapes, and others are refused", () => {
  assert.equal(fixtures.version, channelVersion);
  for (const command of fixtures.commands) assert.deepEqual(commandSchema.parse(command), command);
  for (const command of fixtures.badCommands) assert.equal(commandSchema.safeParse(command).success, false);
  assert.deepEqual(helloSchema.parse(fixtures.hello), fixtures.hello);
  assert.deepEqual(loadedSchema.parse(fixtures.loaded), fixtures.loaded);
  for (const returned of [fixtures.returned, fixtures.returnedWithCode]) {
    assert.deepEqual(returnedSchema.parse(returned), returned);
  }
});

test("CM-09: every method has golden params and a golden result, in its shape, and is in one group", () => {
  assert.deepEqual(Object.keys(fixtures.methods).toSorted(), Object.keys(channelMethods).toSorted());
  for (const [method, { params, result }] of Object.entries(fixtures.methods)) {
    const { params: paramsSchema, result: resultSchema } = channelMethods[method as ChannelMethod];
    assert.deepEqual(paramsSchema.parse(params), params);
    assert.deepEqual(resultSchema.parse(result), result);
    const request = { jsonrpc: "2.0", id: 1, method, params, nonce: "nonce-of-the-fixtures" };
    assert.deepEqual(requestSchema.parse(request), request);
  }
});

test("golden errors are replies", () => {
  for (const reply of fixtures.errors) assert.deepEqual(replySchema.parse(reply), reply);
});

test("the golden limits are the limits", () => {
  const own = limits as Readonly<Record<string, number>>;
  for (const [name, value] of Object.entries(fixtures.limits)) assert.equal(own[name], value, name);
});
