import type { MessagePort } from "node:worker_threads";
import { failureOf, type StoreFailure, type StoreRequest } from "../remote/wire.ts";
import type { RingTopic } from "../store.ts";
import { Database } from "./database.ts";

// What the database's thread does: SQLite's calls block, and nobody else is to wait for its fsyncs. Messages are JSON text,
// which is quicker to pass between threads than cloned rows. What arrives while a transaction runs is gathered and shares
// the next one.

/** What the thread is given at its start. */
export interface ThreadData {
  readonly path: string;
  readonly migrate: boolean;
  readonly maxPages?: number | undefined;
  readonly now: number;
}

/** To the thread. `now`: the moment on the owner's clock; absent: the machine's. `monotonicMs` belongs to it. */
export type ToThread =
  | { readonly requests: readonly StoreRequest[]; readonly now?: number; readonly monotonicMs?: number | undefined }
  | { readonly close: true };

/** From the thread: first `opened` or `failed`, then answers. */
export type FromThread =
  | { readonly opened: true }
  | { readonly failed: StoreFailure }
  | { readonly answers: readonly unknown[]; readonly rings: readonly RingTopic[] };

/** Opens the database and answers on `port` until told to close. */
export function serve(port: MessagePort, { now, ...options }: ThreadData): void {
  const tell = (message: FromThread) => port.postMessage(JSON.stringify(message));
  let database: Database;
  try {
    database = new Database(options, now);
  } catch (error) {
    tell({ failed: failureOf(error) });
    port.close();
    return;
  }
  tell({ opened: true });
  let gathered: StoreRequest[] = [];
  let latest = 0;
  let monotonicMs: number | undefined;
  const carryOut = () => {
    const requests = gathered;
    gathered = [];
    if (requests.length > 0) tell(database.carryOut(requests, latest, monotonicMs));
  };
  port.on("message", (text: string) => {
    const message = JSON.parse(text) as ToThread;
    if ("close" in message) {
      carryOut();
      database.close();
      port.close();
      return;
    }
    if (gathered.length === 0) setImmediate(carryOut);
    gathered.push(...message.requests);
    latest = message.now ?? Date.now();
    monotonicMs = message.now === undefined ? performance.now() : message.monotonicMs;
  });
}
