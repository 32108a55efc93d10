import { appendFileSync } from "node:fs";
import { FatalError, task } from "holdfast";
import { bigquery, own } from "holdfast/external";

interface Input {
  readonly how: string;
  readonly key?: string;
}

/** A body around one job of another system (resumable.test.ts). */
export const typescript = task({ id: "TypeScript" }, async ({ how, key = "scan" }: Input, ctx) => {
  const start = ({ token }: { readonly token: string }) => {
    appendFileSync("started", `${ctx.run.id} ${token}\n`);
    return how === "starts nothing" && ctx.attempt === 1 ? undefined : { project: "p", location: "EU", jobId: token };
  };
  const isOwn = how === "starts itself" || how === "starts nothing";
  const job = isOwn ? own(bigquery, start as never) : bigquery.query({ sql: "SELECT 1" });
  const result = await ctx.external(key, job);
  if (how === "fails afterwards" && ctx.attempt === 1) throw new FatalError("after its job");
  return JSON.parse(JSON.stringify(result));
});
