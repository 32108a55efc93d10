/** The workflow that made the report, with its tasks as they ran. */

import type { WeekSummary } from "../ranking.ts";
import { label, picture } from "./drawing.ts";
import { h, type Markup, thousands } from "./markup.ts";

interface Node {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const width = 960;
const row = 26;
const columns = { split: 1, weeks: 214, summaries: 490, rank: 700, report: 850 } as const;

export function pipelineChart(weeks: readonly WeekSummary[]): Markup {
  const height = weeks.length * row + 34;
  const middle = 30 + (weeks.length * row) / 2;
  const node = (x: number, y: number, nodeWidth: number, nodeHeight = 40): Node => ({
    x,
    y: y - nodeHeight / 2,
    width: nodeWidth,
    height: nodeHeight,
  });
  const split = node(columns.split, middle, 108);
  const cleaned = weeks.map((_, i) => node(columns.weeks, 30 + (i + 0.5) * row, 168, row - 5));
  const summaries = [-1, 0, 1].map((step) => node(columns.summaries, middle + step * 76, 108));
  const rank = node(columns.rank, middle, 84);
  const report = node(columns.report, middle, 109);
  const names = ["airports", "routes", "hours"];
  return picture(
    {
      id: "pipeline",
      width,
      height,
      title: "The workflow",
      description: `One task splits the records, ${weeks.length} tasks clean one week each, three tasks summarise airports, routes and hours, one ranks and one writes the report.`,
    },
    h(
      "g",
      { class: "edges" },
      cleaned.map((week) => edge(split, week)),
      cleaned.flatMap((week) => summaries.map((summary) => edge(week, summary))),
      summaries.map((summary) => edge(summary, rank)),
      edge(rank, report),
    ),
    box(split, "split"),
    label(columns.weeks, 18, "clean, one task a week", "soft"),
    weeks.map((week, i) => weekBox(week, cleaned[i] ?? split)),
    summaries.map((summary, i) => box(summary, names[i] ?? "")),
    box(rank, "rank"),
    box(report, "report"),
  );
}

function box(node: Node, name: string): Markup {
  const { x, y, width: nodeWidth, height } = node;
  return h(
    "g",
    {},
    h("rect", { x, y, width: nodeWidth, height, rx: 8, class: "node" }),
    label(x + nodeWidth / 2, y + height / 2 + 5, name, "strong", "middle"),
  );
}

function weekBox(week: WeekSummary, node: Node): Markup {
  const { x, y, width: nodeWidth, height } = node;
  return h(
    "g",
    {},
    h("rect", { x, y, width: nodeWidth, height, rx: 6, class: "node" }),
    label(x + 10, y + 15, week.week, "small"),
    label(x + nodeWidth - 10, y + 15, `${thousands(week.flights)} flights`, "small soft", "end"),
  );
}

function edge(from: Node, to: Node): Markup {
  const [x1, y1] = [from.x + from.width, from.y + from.height / 2];
  const [x2, y2] = [to.x, to.y + to.height / 2];
  const bend = (x2 - x1) / 2;
  const control = `${(x1 + bend).toFixed(1)} ${y1.toFixed(1)} ${(x2 - bend).toFixed(1)} ${y2.toFixed(1)}`;
  return h("path", { d: `M${x1.toFixed(1)} ${y1.toFixed(1)}C${control} ${x2.toFixed(1)} ${y2.toFixed(1)}` });
}
