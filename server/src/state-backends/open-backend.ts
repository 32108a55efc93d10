import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { AppError } from "@holdfast/protocol";
import { stateBackendHint } from "../state-settings.ts";
import type { StateBackend } from "./state-backend.ts";

/**
 * Opens what `state.backend` names, relative to `root`: `file:FOLDER`, `redis://…`, or `module:FILE`, a module that exports
 * `openStateBackend`; undefined for `store`. What is not named is not loaded.
 */
export async function openStateBackend(address: string, root: string): Promise<StateBackend | undefined> {
  const place = address.slice(address.indexOf(":") + 1);
  if (address === "store") return undefined;
  if (address.startsWith("file:")) return new (await import("./file-backend.ts")).FileBackend(resolve(root, place));
  if (/^rediss?:\/\//.test(address)) return new (await import("./redis-backend.ts")).RedisBackend(address);
  if (address.startsWith("module:")) return openOwn(resolve(root, place));
  throw new AppError("invalid_request", `"${address}" is no state backend.`, { hint: stateBackendHint });
}

async function openOwn(file: string): Promise<StateBackend> {
  let opened: unknown;
  try {
    const { openStateBackend: own } = (await import(pathToFileURL(file).href)) as { openStateBackend?: unknown };
    if (typeof own !== "function") throw new Error("it exports no function openStateBackend");
    opened = await own();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new AppError("invalid_request", `The state backend of ${file} cannot be opened: ${text}`, { cause: error });
  }
  const missing = ["put", "get", "delete", "list", "close"].filter((name) => !isFunctionOf(opened, name));
  if (missing.length === 0) return opened as StateBackend;
  throw new AppError("invalid_request", `The state backend of ${file} has no ${missing.join(", ")}.`, {
    hint: "holdfast/state-backend has the interface, and the suite that it has to pass.",
  });
}

function isFunctionOf(value: unknown, name: string): boolean {
  return typeof (value as Readonly<Record<string, unknown>> | null | undefined)?.[name] === "function";
}
