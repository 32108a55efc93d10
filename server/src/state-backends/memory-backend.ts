import type { StateBackend } from "./state-backend.ts";
import { checkObjectName } from "./state-backend.ts";

/** A backend in this process's memory, for tests: nothing outlives it. It is what the conformance suite was written against. */
export function memoryStateBackend(): StateBackend {
  const objects = new Map<string, Uint8Array>();
  let isClosed = false;
  const open = () => {
    if (isClosed) throw new Error("The state backend is closed.");
  };
  return {
    place: "memory:",
    put: async (name, bytes) => {
      open();
      checkObjectName(name);
      objects.set(name, bytes.slice());
    },
    get: async (name) => {
      open();
      checkObjectName(name);
      return objects.get(name)?.slice();
    },
    delete: async (names) => {
      open();
      for (const name of names) objects.delete(name);
    },
    list: async (folder) => {
      open();
      return { names: [...objects.keys()].filter((name) => name.startsWith(`${folder}/`)) };
    },
    close: async () => {
      isClosed = true;
    },
  };
}
