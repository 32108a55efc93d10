/** What the charts share: the picture's frame, the scale, and the colours for punctuality. */

import { type Child, h, type Markup, percent } from "./markup.ts";

/** A chart as one picture with a name and a description for those who cannot see it. */
export function picture(
  options: { id: string; width: number; height: number; title: string; description: string; className?: string },
  ...children: Child[]
): Markup {
  const { id, width, height } = options;
  return h(
    "svg",
    {
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      "aria-labelledby": `${id}-title ${id}-description`,
      class: options.className,
      xmlns: "http://www.w3.org/2000/svg",
    },
    h("title", { id: `${id}-title` }, options.title),
    h("desc", { id: `${id}-description` }, options.description),
    ...children,
  );
}

/** Text in a chart. Its colour and size come from the class. */
export function label(x: number, y: number, text: string, className = "", anchor?: "middle" | "end"): Markup {
  return h("text", { x, y, class: `label ${className}`.trimEnd(), "text-anchor": anchor }, text);
}

/** Maps a value between `from` and `to` onto a length. */
export function scaleOf(
  domain: readonly [number, number],
  range: readonly [number, number],
): (value: number) => number {
  const factor = (range[1] - range[0]) / (domain[1] - domain[0] || 1);
  return (value) => range[0] + (value - domain[0]) * factor;
}

/** The multiples of `step` that enclose all values; 0 to 1 when there are none. */
export function domainOf(values: readonly number[], step: number): readonly [number, number] {
  if (values.length === 0) return [0, 1];
  const low = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const high = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  // The small amount keeps 0.65 / 0.05 from being rounded up to 14.
  return [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
}

/** The multiples of `step` within a domain. */
export function ticksOf([low, high]: readonly [number, number], step: number): readonly number[] {
  const [first, last] = [Math.ceil(low / step - 1e-9), Math.floor(high / step + 1e-9)];
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

const shareSteps = [0.65, 0.7, 0.75, 0.8, 0.85] as const;

/** The colour class of a share of flights on time: `s0` (late) to `s5` (punctual). */
export function shareClass(share: number): string {
  return `s${shareSteps.filter((step) => share >= step).length}`;
}

/** The key to `shareClass`. It is 288 wide and 40 high. */
export function shareKey(x: number, y: number): Markup {
  const width = 48;
  return h(
    "g",
    { transform: `translate(${x} ${y})`, "aria-hidden": "true" },
    label(0, 0, "Share of flights on time", "soft"),
    Array.from({ length: shareSteps.length + 1 }, (_, i) =>
      h("rect", { x: i * width, y: 8, width: width - 2, height: 10, class: `s${i}` }),
    ),
    shareSteps.map((step, i) => label((i + 1) * width - 1, 33, percent(step), "small soft", "middle")),
  );
}
