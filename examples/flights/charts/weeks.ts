/** Punctuality from week to week, each week with its interval. */

import type { WeekSummary } from "../ranking.ts";
import { daysOfWeek } from "../records.ts";
import { domainOf, label, picture, scaleOf, ticksOf } from "./drawing.ts";
import { h, type Markup, percent, shortDayName, thousands } from "./markup.ts";

const size = { width: 960, height: 320 } as const;
const frame = { left: 48, right: 880, top: 24, bottom: 262 } as const;

export function weeksChart(weeks: readonly WeekSummary[], overall: number): Markup {
  const domain = domainOf(
    weeks.flatMap(({ onTime }) => [onTime.low, onTime.high]),
    0.05,
  );
  const y = scaleOf(domain, [frame.bottom, frame.top]);
  const x = scaleOf([-0.5, weeks.length - 0.5], [frame.left, frame.right]);
  const shares = weeks.map((week) => week.onTime.share);
  const told = [Math.max(...shares), Math.min(...shares)];
  const line = weeks.map((week, i) => `${x(i).toFixed(1)} ${y(week.onTime.share).toFixed(1)}`).join("L");
  return picture(
    {
      id: "weeks",
      ...size,
      title: "Share of flights on time by week",
      description: weeks.map((week) => `${week.week}: ${percent(week.onTime.share)}`).join(", "),
    },
    ticksOf(domain, 0.05).map((tick) => [
      h("line", { x1: frame.left, x2: frame.right, y1: y(tick), y2: y(tick), class: "grid" }),
      label(frame.left - 8, y(tick) + 4, percent(tick), "soft", "end"),
    ]),
    h("line", { x1: frame.left, x2: frame.right, y1: y(overall), y2: y(overall), class: "reference" }),
    label(frame.right + 8, y(overall) + 4, `all ${percent(overall)}`, "soft"),
    h("path", { d: `M${line}`, class: "trend" }),
    weeks.map((week, i) => mark(week, { x: x(i), y, told: told.includes(week.onTime.share) })),
  );
}

function mark(week: WeekSummary, at: { x: number; y: (share: number) => number; told: boolean }): Markup {
  const { share, low, high } = week.onTime;
  const text = `${week.week}: ${percent(share)} of ${thousands(week.flights)} flights on time (${percent(low)} to ${percent(high)})`;
  return h(
    "g",
    {},
    h("title", {}, text),
    h("line", { x1: at.x, x2: at.x, y1: at.y(low), y2: at.y(high), class: "interval" }),
    h("circle", { cx: at.x, cy: at.y(share), r: 5.5, class: "dot" }),
    at.told ? label(at.x + 11, at.y(share) + 5, percent(share), "strong halo") : undefined,
    label(at.x, frame.bottom + 24, shortDayName(daysOfWeek(week.week).monday), "", "middle"),
    label(at.x, frame.bottom + 42, week.week.slice(5), "small soft", "middle"),
  );
}
