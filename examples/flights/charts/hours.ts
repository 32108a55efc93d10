/** The week as a grid of hours. */

import type { HourSummary } from "../aggregate.ts";
import { label, picture, shareClass, shareKey } from "./drawing.ts";
import { h, hourName, type Markup, percent, thousands, weekdayNames } from "./markup.ts";

const size = { width: 960, height: 330 } as const;
const cell = { width: 35, height: 30, gap: 2 } as const;
const origin = { x: 104, y: 30 } as const;
/** Below this number of flights a share says nothing, and the cell has no colour. */
export const tellableFlights = 10;

export function hoursChart(hours: readonly HourSummary[]): Markup {
  return picture(
    {
      id: "hours",
      ...size,
      title: "Share of flights on time by weekday and hour of departure",
      description: `A grid of seven weekdays by 24 hours of departure. Cells with fewer than ${tellableFlights} flights have no colour.`,
    },
    Array.from({ length: 24 }, (_, hour) =>
      hour % 3 === 0 ? label(origin.x + hour * cell.width, origin.y - 10, hourName(hour), "soft") : undefined,
    ),
    weekdayNames.map((name, day) =>
      label(origin.x - 12, origin.y + day * cell.height + cell.height / 2 + 4, name, "", "end"),
    ),
    hours.map(square),
    shareKey(origin.x, size.height - 42),
  );
}

function square({ weekday, hour, flights, onTime }: HourSummary): Markup {
  const told = flights >= tellableFlights;
  const share = onTime / Math.max(1, flights);
  const result = told ? `${percent(share)} of ${thousands(flights)} flights on time` : `${flights} flights`;
  return h(
    "rect",
    {
      x: origin.x + hour * cell.width,
      y: origin.y + weekday * cell.height,
      width: cell.width - cell.gap,
      height: cell.height - cell.gap,
      rx: 3,
      class: told ? shareClass(share) : "untold",
    },
    h("title", {}, `${weekdayNames[weekday] ?? ""}, ${hourName(hour)}: ${result}`),
  );
}
