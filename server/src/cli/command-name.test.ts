// Faults to catch: a hint that names a command which the shell does not find, user code's words taken for a command, a
// command that is added to the program and not to the names.
import assert from "node:assert/strict";
import { test } from "node:test";
import { asTyped, commandName, commandNames, type Place, placedCommands } from "./command-name.ts";
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
    asTyped("Give holdfast run FILE, or holdfast dev: see holdfast.config.ts and npm:holdfast run.", { start }),
    "Give npx holdfast run FILE, or npx holdfast dev: see holdfast.config.ts and npm:holdfast run.",
  );
  assert.equal(
    asTyped("npx holdfast needs Node; holdfast 0.1.0 runs", { start }),
    "npx holdfast needs Node; holdfast 0.1.0 runs",
  );
});

test("commands ask whom the caller has asked, where they have the flag and do not say another", () => {
  const start = { script: "/usr/local/bin/holdfast", env: { PATH: "/usr/local/bin" } };
  const at = (message: string, place: Place) => asTyped(message, { start, place });
  const server = "http://127.0.0.1:4400";
  const cases: [string, Place, string][] = [
    [
      "holdfast runs cancel 1abc --force ends it.",
      { server },
      `holdfast runs cancel --server ${server} 1abc --force ends it.`,
    ],
    [
      "holdfast runs list shows them.",
      { store: "sqlite:./x.db" },
      "holdfast runs list --store sqlite:./x.db shows them.",
    ],
    ["See holdfast queues.", { store: "file:a b" }, "See holdfast queues --store 'file:a b'."],
    ["holdfast queues lists them", { store: "memory:" }, "holdfast queues --store memory: lists them"],
    ["holdfast dev, or holdfast run", { server }, `holdfast dev, or holdfast run --server ${server}`],
    ["holdfast migrate --store postgres://…", { store: "postgres://h/d" }, "holdfast migrate --store postgres://…"],
    ["holdfast init", { store: "memory:" }, "holdfast init"],
  ];
  for (const [message, place, said] of cases) assert.equal(at(message, place), said);
});

test("the flags of a place are those that the program's commands have", () => {
  const program = buildProgram(async () => undefined);
  for (const flag of ["server", "store"] as const) {
    const have = program.commands.filter((command) => {
      const all = command.commands.length === 0 ? [command] : command.commands;
      return all.every(({ options }) => options.some(({ long }) => long === `--${flag}`));
    });
    assert.deepEqual(have.map((command) => command.name()).sort(), [...placedCommands[flag]].sort(), flag);
  }
});

test("the names are those of the program", () => {
  const program = buildProgram(async () => undefined);
  assert.deepEqual([...program.commands.map((command) => command.name()), "help"].sort(), [...commandNames].sort());
});
