// The tracker process: asks services outside, with credentials that neither the node nor user code has (P8). It is told what to do on
// descriptor 3 and answers there (wire.ts). It keeps nothing: killed at any moment, it is started again and asked again.

import { enableCompileCache } from "node:module";
import { Socket } from "node:net";
import { encodeFrame, FrameDecoder, isAppError } from "@holdfast/protocol";
import { systemClock } from "../clock.ts";
import { carryOut } from "./calls.ts";
import { Connections } from "./connections.ts";
import { failureOf, transient } from "./failures.ts";
import { loadModules } from "./load-modules.ts";
import { services } from "./services.ts";
import { Watches } from "./watches.ts";
import { askedSchema, orderSchema, portions, type Said, type StartParams } from "./wire.ts";

enableCompileCache();
process.setSourceMapsEnabled(true);

const channel = new Socket({ fd: 3, readable: true, writable: true });
const decoder = new FrameDecoder();
const calls = new Map<number, AbortController>();
let connections: Connections | undefined;
let watches: Watches | undefined;

// Without the node there is nobody to ask for anything.
channel.on("error", () => process.exit(0)).on("close", () => process.exit(0));
channel.on("data", (bytes: Buffer) => {
  for (const frame of decoder.push(bytes)) take(frame);
});
// A mistake of one tracker ends no other's work: its own call has failed or fails in time.
process.on("uncaughtException", (error) => console.error(error));
process.on("unhandledRejection", (error) => console.error(error));

function say(said: Said): void {
  channel.write(encodeFrame(said));
}

function take(frame: unknown): void {
  const asked = askedSchema.safeParse(frame);
  if (asked.success) {
    void answer(asked.data.id, asked.data.method, asked.data.params);
    return;
  }
  const order = orderSchema.parse(frame);
  switch (order.method) {
    case "start":
      void start(order.params);
      break;
    case "watch":
      watches?.add(order.params.watch, order.params, order.params.refs);
      break;
    case "unwatch":
      watches?.remove(order.params.watch, order.params.refs);
      break;
    case "stop":
      calls.get(order.params.id)?.abort();
      break;
  }
}

async function start(params: StartParams): Promise<void> {
  const { trackers, broken } = await loadModules(params.modules);
  for (const one of broken) say({ jsonrpc: "2.0", method: "broken", params: one });
  connections = new Connections({
    settings: Object.fromEntries(Object.entries(params.connections).map(([name, { settings }]) => [name, settings])),
    trackers: [...trackers, ...(params.modules.length === 0 ? services : [])],
    broken: () => broken.map(({ file, message }) => `${file}: ${message}`),
    mock: params.mock,
    callMs: params.callMs,
    now: systemClock.now,
  });
  const tell = (method: "observed" | "watched", rest: object) => say({ jsonrpc: "2.0", method, params: rest } as Said);
  watches = new Watches({
    connections,
    clock: systemClock,
    listener: {
      observed: (watch, ref, observation) => tell("observed", { watch, ref, observation }),
      watched: (watch, refs, watched) => {
        for (const some of portions(refs)) tell("watched", { watch, refs: some, watched });
      },
    },
  });
  say({ jsonrpc: "2.0", method: "ready", params: { pid: process.pid } });
}

async function answer(id: number, method: Parameters<typeof carryOut>[1], params: unknown): Promise<void> {
  const controller = new AbortController();
  calls.set(id, controller);
  try {
    if (connections === undefined) throw new Error("It was asked before it was told to start.");
    const result = await carryOut(connections, method, params, controller.signal);
    say({ jsonrpc: "2.0", id, result });
  } catch (error) {
    // An answer that is too large for a message can be given in parts.
    const failure = isAppError(error, "too_large") ? transient("too_large", error.message).failure : failureOf(error);
    say({ jsonrpc: "2.0", id, error: { code: -32_000, message: failure.message, data: failure } });
  } finally {
    calls.delete(id);
  }
}
