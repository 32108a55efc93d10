/** How late flights arrive: the distribution. */

import type { DelaySummary } from "../aggregate.ts";
import { onTimeBelowMinutes } from "../statistics.ts";
import { label, picture, scaleOf } from "./drawing.ts";
import { h, type Markup, minutes, thousands } from "./markup.ts";

const size = { width: 960, height: 300 } as const;
const frame = { left: 16, right: 944, top: 34, bottom: 252 } as const;

export function delaysChart({ steps, stepMinutes, medianMinutes }: DelaySummary): Markup {
  const most = Math.max(...steps.map((step) => step.flights), 1);
  const first = steps[0]?.from ?? 0;
  const x = scaleOf([first, first + steps.length * stepMinutes], [frame.left, frame.right]);
  const y = scaleOf([0, most], [frame.bottom, frame.top]);
  const limit = x(onTimeBelowMinutes);
  return picture(
    {
      id: "delays",
      ...size,
      title: "Flights by arrival delay",
      description: `Bars of ${stepMinutes} minutes. Half of all flights arrive ${minutes(medianMinutes)} after the timetable or earlier. The first and the last bar hold all flights beyond them.`,
    },
    steps.map(({ from, flights }, i) => {
      const range = rangeText(from, { stepMinutes, first: i === 0, last: i === steps.length - 1 });
      return h(
        "rect",
        {
          x: x(from) + 1,
          y: y(flights),
          width: x(from + stepMinutes) - x(from) - 2,
          height: frame.bottom - y(flights),
          rx: 2,
          class: from < onTimeBelowMinutes ? "ontime" : "late",
        },
        h("title", {}, `${range}: ${thousands(flights)} flights`),
      );
    }),
    h("line", { x1: frame.left, x2: frame.right, y1: frame.bottom, y2: frame.bottom, class: "axis" }),
    h("line", { x1: limit, x2: limit, y1: 12, y2: frame.bottom, class: "reference" }),
    label(limit - 10, 24, "on time", "strong ontime-text", "end"),
    label(limit + 10, 24, `${onTimeBelowMinutes} minutes late or more`, "strong late-text"),
    [-30, -15, 0, 15, 30, 60, 90, 120].map((tick) =>
      label(x(tick), frame.bottom + 22, tickText(tick), "soft", tick === first ? undefined : "middle"),
    ),
    label(frame.right, frame.bottom + 42, "minutes against the timetable", "small soft", "end"),
  );
}

function tickText(tick: number): string {
  if (tick === 0) return "timetable";
  return tick < 0 ? `${-tick} early` : `${tick} late`;
}

function rangeText(from: number, at: { stepMinutes: number; first: boolean; last: boolean }): string {
  const text = (value: number) => String(value).replace("-", "−");
  if (at.first) return `below ${text(from + at.stepMinutes)} minutes`;
  return at.last ? `${text(from)} minutes or more` : `${text(from)} to ${text(from + at.stepMinutes - 1)} minutes`;
}
