/**
 * From published flight records to a report, by way of a warehouse that somebody else runs:
 *
 *                        ┌─ ask[overview] ─┐
 *      stage ── load ────┤        …        ├── page
 *                        └─ ask[routes] ───┘
 *
 * `load` and `ask` start jobs of BigQuery and wait for them. Nothing of them runs here meanwhile: no process, no slot, no
 * connection. Kill what you like and start it again: each job is started once, and the page is the same byte for byte.
 */

import { resolve } from "node:path";
import { task, workflow } from "holdfast";
import { bigquery } from "holdfast/external";
import { z } from "zod";
import { keep, kept, readExtracts, readSource, writeWhole } from "../flights/files.ts";
import { warehousePage } from "./page.ts";
import { type Answers, parameters, type Question, questionNames, questions, tables } from "./questions.ts";

/** The entry of holdfast.config.ts that says where the warehouse is. */
const connection = "warehouse";
const question = z.enum(questionNames as [Question, ...Question[]]);
const answer = z.object({ question, file: z.string() });

/** Lays the published files where the warehouse reads them, whole or not at all. */
export const stage = task(
  { id: "stage", input: z.object({ source: z.string(), lake: z.string() }), output: z.object({ records: z.int() }) },
  async ({ source, lake }, ctx) => {
    const records = (await readExtracts(source)).flat();
    const lines = records.map((record) => `${JSON.stringify(record)}\n`).join("");
    await writeWhole(resolve(lake, "published", "flights.ndjson"), lines);
    await writeWhole(resolve(lake, "published", "airports.csv"), await readSource(source, "airports.csv"));
    ctx.log.info("The records lie where the warehouse reads them.", { records: records.length });
    return { records: records.length };
  },
);

/** Makes the table of flights: one job after the other, for a table needs its dataset. */
export const load = task({ id: "load", input: z.object({ records: z.int() }) }, async (_input, ctx) => {
  await ctx.external("dataset", bigquery.query({ connection, sql: tables.dataset }));
  await ctx.external("flights", bigquery.query({ connection, sql: tables.flights }));
  return { questions: questionNames };
});

/** Asks one question. The rows are small, and are kept in a file for the page. */
export const ask = task(
  { id: "ask", input: z.object({ question }), output: answer, retry: { attempts: 3 } },
  async ({ question }, ctx) => {
    const job = bigquery.query({ connection, sql: questions[question], params: parameters[question], rows: 1_000 });
    const { rows } = await ctx.external("answer", job, { timeout: "1h" });
    return { question, file: await keep(`warehouse.${question}`, rows) };
  },
);

/** Writes the page. */
export const page = task(
  {
    id: "page",
    input: z.object({ out: z.string(), answers: z.array(answer) }),
    output: z.object({ report: z.string(), flights: z.int(), onTime: z.number(), jobs: z.int() }),
  },
  async ({ out, answers }, ctx) => {
    const found = await Promise.all(answers.map(async ({ question, file }) => [question, await kept(file)] as const));
    const all = Object.fromEntries(found) as unknown as Answers;
    const path = resolve(out);
    await writeWhole(path, warehousePage(all));
    ctx.log.info("The page is written.", { path });
    const [{ flights, onTime }] = all.overview;
    const jobs = Object.keys(tables).length + answers.length;
    return { report: path, flights, onTime: onTime / flights, jobs };
  },
);

export const warehouse = workflow(
  {
    id: "warehouse",
    params: z.object({
      /** The npm package, or a folder with files like its own. */
      source: z.string().default("vega-datasets"),
      /** The folder that the warehouse reads. */
      lake: z.string().default(".holdfast/warehouse/lake"),
      out: z.string().default(".holdfast/warehouse/report.html"),
    }),
  },
  (w) => {
    const { source, lake, out } = w.params;
    const staged = w.call(stage, { source, lake }).output;
    const { questions } = w.call(load, staged).output;
    const answers = w.map(questions, ask, { key: (name) => name, with: (name) => ({ question: name }) }).outputs;
    return w.call(page, { out, answers }).output;
  },
);
