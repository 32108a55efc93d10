/** A ranking: one row each, a dot for the share on time, a bar for its interval. */

import type { Punctuality } from "../statistics.ts";
import { domainOf, label, picture, scaleOf, shareClass, ticksOf } from "./drawing.ts";
import { h, type Markup, percent, thousands } from "./markup.ts";

export interface Row extends Punctuality {
  /** What is told apart by colour and weight: an airport's code. */
  readonly code: string;
  readonly name: string;
}

export interface RowsLayout {
  readonly id: string;
  readonly title: string;
  /** Room for the codes and the names, from the left edge. */
  readonly names: { readonly code: number; readonly text: number };
  /** Two charts that are to be compared share it. */
  readonly domain: readonly [number, number];
  readonly overall: number;
}

const width = 960;
const rowHeight = 26;
const top = 30;

export function rowsChart(rows: readonly Row[], layout: RowsLayout): Markup {
  const { id, title, domain, overall } = layout;
  const bottom = top + rows.length * rowHeight;
  const x = scaleOf(domain, [layout.names.code + layout.names.text, width - 104]);
  return picture(
    {
      id,
      width,
      height: bottom + 8,
      title,
      description: rows.map((row, i) => `${i + 1}. ${row.name} ${percent(row.onTime.share)}`).join(", "),
    },
    ticksOf(domain, 0.1).map((tick) => [
      h("line", { x1: x(tick), x2: x(tick), y1: top - 4, y2: bottom, class: "grid" }),
      label(x(tick), top - 12, percent(tick), "soft", "middle"),
    ]),
    h("line", { x1: x(overall), x2: x(overall), y1: top - 4, y2: bottom, class: "reference" }),
    label(width, top - 12, "flights", "soft", "end"),
    rows.map((row, i) => rowMarks(row, { y: top + (i + 0.5) * rowHeight, x, text: layout.names.code })),
  );
}

/** The scale on which all intervals of these rows fit. */
export function rowsDomain(rows: readonly Row[]): readonly [number, number] {
  return domainOf(
    rows.flatMap(({ onTime }) => [onTime.low, onTime.high]),
    0.05,
  );
}

function rowMarks(row: Row, at: { y: number; x: (share: number) => number; text: number }): Markup {
  const { share, low, high } = row.onTime;
  const text = `${row.name}: ${percent(share)} of ${thousands(row.flights)} flights on time (${percent(low)} to ${percent(high)})`;
  return h(
    "g",
    {},
    h("title", {}, text),
    label(0, at.y + 4.5, row.code, "strong"),
    label(at.text, at.y + 4.5, row.name),
    h("line", { x1: at.x(low), x2: at.x(high), y1: at.y, y2: at.y, class: "interval" }),
    h("circle", { cx: at.x(share), cy: at.y, r: 6, class: `dot ${shareClass(share)}` }),
    label(width - 52, at.y + 4.5, percent(share), "strong", "end"),
    label(width, at.y + 4.5, thousands(row.flights), "soft", "end"),
  );
}
