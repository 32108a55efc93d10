import { enableCompileCache } from "node:module";
import { parentPort } from "node:worker_threads";
import type { Order } from "./messages.ts";

// The entry of the thread that evaluates what takes long. The cache is on before anything large is loaded.
enableCompileCache();
const { Evaluating } = await import("./evaluating.ts");
const evaluating = new Evaluating();
parentPort?.on("message", (order: Order) => parentPort?.postMessage(evaluating.goOn(order)));
