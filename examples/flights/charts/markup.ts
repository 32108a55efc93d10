/** Writing HTML and SVG, and the few ways in which the report writes numbers. No locale is asked: the same everywhere. */

export type Child = string | Markup | undefined | readonly Child[];
type Attributes = Readonly<Record<string, string | number | undefined>>;

/** Text that is markup already. Anything else is escaped where it is put in. */
export class Markup {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

const voidElements = new Set(["meta", "br", "hr", "col"]);

/** One element. Numbers among the attributes are written with one decimal at most, undefined ones left out. */
export function h(name: string, attributes: Attributes = {}, ...children: Child[]): Markup {
  let open = `<${name}`;
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) open += ` ${key}="${typeof value === "number" ? number(value) : escapeText(value)}"`;
  }
  if (voidElements.has(name)) return new Markup(`${open}>`);
  return new Markup(`${open}>${render(children)}</${name}>`);
}

function render(child: Child): string {
  if (child === undefined) return "";
  if (typeof child === "string") return escapeText(child);
  return child instanceof Markup ? child.toString() : child.map(render).join("");
}

function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** One decimal at most, which is a tenth of a pixel. */
export function number(value: number): string {
  return String(Math.round(value * 10) / 10 + 0);
}

/** 20,000 */
export function thousands(value: number): string {
  return String(Math.round(value)).replaceAll(/\B(?=(\d{3})+$)/g, ",");
}

/** 0.774 is 77%. */
export function percent(share: number): string {
  return `${Math.round(share * 100)}%`;
}

/** 7.7 min, −3 min */
export function minutes(value: number): string {
  return `${value < 0 ? "−" : ""}${number(Math.abs(value))} min`;
}

/** 0 is midnight, 6 is 6 am, 18 is 6 pm. */
export function hourName(hour: number): string {
  if (hour % 24 === 0) return "midnight";
  if (hour === 12) return "noon";
  return hour < 12 ? `${hour} am` : `${hour - 12} pm`;
}

const monthNames = "January February March April May June July August September October November December".split(" ");

/** `2001-02-05` is 5 February, which no line break tears apart. */
export function dayName(date: string): string {
  return `${Number(date.slice(8, 10))}\u00a0${monthNames[Number(date.slice(5, 7)) - 1] ?? ""}`;
}

/** `2001-02-05` is 5 Feb. */
export function shortDayName(date: string): string {
  return dayName(date).replace(/(?<=[A-Z]..).*$/, "");
}

export const weekdayNames = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"] as const;

/** 1 week, 13 weeks; on one line. */
export function plural(count: number, noun: string): string {
  return `${thousands(count)}\u00a0${noun}${count === 1 ? "" : "s"}`;
}
