/**
 * `npm start`: Holdfast on SQLite carries out the example, going on with what an earlier start left unfinished. On a
 * terminal it then serves until Ctrl-C; otherwise it ends with the run's exit code.
 */
import { once } from "node:events";
import { createServer } from "node:net";

const usualPort = 4400;

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
    server.close();
    await once(server, "close");
    return true;
  } catch {
    return false;
  }
}

const flags = ["--resume"];
if (process.stdout.isTTY) {
  flags.push("--serve");
  // Somebody else's program may listen there; `holdfast run` would rightly refuse.
  if (!(await isFree(usualPort))) flags.push("--port", "0");
}
process.argv.splice(2, Number.POSITIVE_INFINITY, "run", "examples/flights/flights.ts", ...flags);
await import(new URL("../server/bin/holdfast.js", import.meta.url).href);
