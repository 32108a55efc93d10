import { existsSync } from "node:fs";
import { enableCompileCache, registerHooks } from "node:module";
import { Socket } from "node:net";

// A clone runs from its sources, by the condition under which its packages name them; what is published has only dist.
const source = new URL("../src/cli/main.ts", import.meta.url);
const built = new URL("../dist/cli/main.js", import.meta.url);
const condition = "@holdfast/source";

enableCompileCache();
delete process.env.HOLDFAST_NODE_TRIED;
followLauncher(process.env.HOLDFAST_LAUNCHER_FD);
delete process.env.HOLDFAST_LAUNCHER_FD;
const fromSource = existsSync(source);
const isSet = process.execArgv.some((argument) => argument.includes(condition));
if (fromSource && !isSet) {
  registerHooks({
    resolve: (specifier, context, nextResolve) =>
      nextResolve(specifier, { ...context, conditions: [...context.conditions, condition] }),
  });
}
const { main } = await import((fromSource ? source : built).href);
process.exitCode = await main(process.argv.slice(2));
// What is done is done: a connection to a server that is away must not keep the process.
setTimeout(() => process.exit(), 5_000).unref();

/** Under an old Node another process has started this one: when it is killed, this one ends as if it had been told to. */
function followLauncher(descriptor) {
  if (descriptor === undefined) return;
  const launcher = new Socket({ fd: Number(descriptor), readable: true, writable: false });
  const end = () => process.kill(process.pid, "SIGTERM");
  launcher.on("error", () => undefined).once("close", end);
  launcher.resume().unref();
}
