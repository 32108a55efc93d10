// Faults to catch: a hint that names a command which the shell does not find, user code's words taken for a command, a
// command that is added to the program and not to the names.
import assert from "node:assert/strict";
import { test } from "node:test";
import { asTyped, commandName, commandNames } from "./command-name.ts";
import { buildProgram } from "./program.ts";

const npx = { npm_command: "exec", npm_config_user_agent: "npm/11.0.0 node/v24.0.0 linux x64" };

test("a command is named as it can be typed where it was started", () => {
  const cases: [string, Record<string, string>, string][] = [
    ["/app/node_modules/.bin/holdfast", { PATH: "/app/node_modules/.bin:/usr/bin", ...npx }, "npx holdfast"],
    ["/app/node_modules/.bin/holdfast", { PATH: "/usr/bin" }, "npx holdfast"],
    ["/app/node_modules/.bin/holdfast", { npm_config_user_agent: "pnpm/10.0.0 npm/? node/v24.0.0" }, "pnpm holdfast"],
    ["/app/node_modules/.bin/holdfast", { npm_config_user_agent: "yarn/4.0.0 npm/? node/v24.0.0" }, "yarn holdfast"],
    ["/usr/local/bin/holdfast", { PATH: "/usr/bin:/usr/local/bin" }, "holdfast"],
    ["/usr/local/bin/holdfast", { PATH: "/usr/local/bin", ...npx }, "holdfast"],
    ["/opt/holdfast", { PATH: "/usr/bin" }, "/opt/holdfast"],
    ["/clone/server/bin/holdfast.js", { PATH: "/usr/bin" }, "node /clone/server/bin/holdfast.js"],
    ["/clone/scripts/start.ts", { npm_command: "start" }, "npx holdfast"],
  ];
  for (const [script, env, name] of cases) assert.equal(commandName({ script, env }), name, script);
});

test("every command in a message is shown so, and nothing else", () => {
  const start = { script: "/app/node_modules/.bin/holdfast", env: {} };
  assert.equal(
    asTyped("Give holdfast run FILE, or holdfast dev: see holdfast.config.ts and npm:holdfast run.", start),
    "Give npx holdfast run FILE, or npx holdfast dev: see holdfast.config.ts and npm:holdfast run.",
  );
  assert.equal(
    asTyped("npx holdfast needs Node; holdfast 0.1.0 runs", start),
    "npx holdfast needs Node; holdfast 0.1.0 runs",
  );
});

test("the names are those of the program", () => {
  const program = buildProgram(async () => undefined);
  assert.deepEqual([...program.commands.map((command) => command.name()), "help"].sort(), [...commandNames].sort());
});
