import { readFileSync } from "node:fs";
import { join } from "node:path";

const read = (name: string) => readFileSync(join(import.meta.dirname, name), "utf8");

/** Of the authority that signed the server's certificate; its key was thrown away. */
export const authority = read("ca.crt");

/** For localhost and 127.0.0.1. The key is in the open, and good for nothing but tests. */
export const serverTls = { key: read("server.key"), cert: read("server.crt") };
