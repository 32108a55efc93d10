/**
 * Assets from the command line, in real processes. Faults to catch: an asset that its URI does not lead to; an event that no run starts on; a
 * lineage or a wait that nobody is shown; what the shell does not offer; a refusal that ends with 0.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Project } from "./command.ts";

const timeout = 300_000;

const files = {
  "tasks/sales.ts": `import { asset, type StartedBy, task } from "holdfast";
import { z } from "zod";
export const orders = asset({ id: "orders", uri: "s3://lake/orders", watermark: z.string(), event: z.object({ rows: z.number() }) });
export const customers = asset({ id: "customers" });
export const load = task({ id: "load", writes: [orders] }, async ({ day }: { day: string }, ctx) =>
  ctx.asset(orders).advance("mark", day, { event: { rows: 3 } }),
);
export const joined = task({ id: "joined", startOn: { all: [orders, customers] } }, async ({ events }: StartedBy<typeof orders>) =>
  events.orders.length,
);
`,
};

test("an asset is shown with its lineage, told of, moved and deleted, and what waits for it says so", {
  timeout,
}, async (t) => {
  const project = new Project(t, files);
  await project.run("apply");
  const started = await project.run("run", "load", "--input", '{"day":"2026-01-02"}', "--json");
  assert.equal(started.code, 0, started.stderr);
  const shown = (await project.run("assets", "show", "s3://lake/orders")).stdout;
  for (const line of [
    /watermark +mark = "2026-01-02" \(version 1\), by run/,
    /events +1 event in all; 1 to 1 are kept/,
    /written by +load/,
    /starts +joined: 0 runs so far; it waits for an event of customers \(orders has 1 more\)/,
  ])
    assert.match(shown, line);
  assert.match(
    (await project.run("why", "joined")).stdout,
    /joined waits for an event of customers \(orders has 1 more\)\./,
  );
  const told = await project.run("assets", "emit", "customers", '{"n":1}', "--key", "k", "--json");
  assert.deepEqual(JSON.parse(told.stdout), { number: 1, existing: false });
  const events = await project.run("assets", "events", "customers");
  assert.match(events.stdout, /1 +k +\{"n":1\} .*a person/);
  const moved = await project.run("assets", "advance", "orders", "mark", '"2026-01-03"', "--event", '{"rows":1}');
  assert.match(moved.stderr, /"mark" is "2026-01-03", and event 2 is told\./);
  const { runs } = JSON.parse((await project.run("runs", "list", "--definition", "load", "--json")).stdout) as {
    runs: { id: string }[];
  };
  const runShown = (await project.run("runs", "show", runs[0]?.id ?? "")).stdout;
  assert.match(runShown, /writes +the asset orders: mark = "2026-01-03" \(version 2\); its last event is 2/);
  assert.match(
    (await project.run("complete", "assets", "show", "")).stdout,
    /^customers\t\norders\ts3:\/\/lake\/orders\n/,
  );
  for (const [code, ...args] of [
    [2, "advance", "orders", "mark", "null"],
    [2, "emit", "orders", '{"row":1}'],
    [2, "delete", "orders"],
    [1, "show", "ordres"],
  ] as const) {
    const refused = await project.run("assets", ...args);
    assert.equal(refused.code, code, `${args.join(" ")}: ${refused.stderr}`);
  }
});
