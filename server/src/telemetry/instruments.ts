// Counters, gauges and histograms, and their text in the exposition format 0.0.4 of Prometheus. Counting costs a look into a
// map: what is counted for every run must not be felt.

type Labels = readonly string[];

/** A family of series: one for each combination of its labels' values. */
export abstract class Instrument {
  readonly name: string;
  readonly #help: string;
  readonly #type: "counter" | "gauge" | "histogram";
  protected readonly labelNames: Labels;

  constructor(type: "counter" | "gauge" | "histogram", { name, help, labels = [] }: InstrumentOptions) {
    this.name = name;
    this.#help = help;
    this.#type = type;
    this.labelNames = labels;
  }

  /** Its lines, each ended. */
  text(): string {
    const head = `# HELP ${this.name} ${escaped(this.#help, false)}\n# TYPE ${this.name} ${this.#type}\n`;
    return head + this.samples();
  }

  protected abstract samples(): string;

  protected line(suffix: string, labels: Labels, value: number, more = ""): string {
    const pairs = this.labelNames.map((name, index) => `${name}="${escaped(labels[index] ?? "", true)}"`);
    const all = [...pairs, ...(more === "" ? [] : [more])].join(",");
    return `${this.name}${suffix}${all === "" ? "" : `{${all}}`} ${numberText(value)}\n`;
  }
}

export interface InstrumentOptions {
  readonly name: string;
  readonly help: string;
  readonly labels?: Labels;
}

const separator = "\u0000";

/** Only rises. Without labels it begins at 0. */
export class Counter extends Instrument {
  readonly #values = new Map<string, number>();

  constructor(options: InstrumentOptions) {
    super("counter", options);
    if (this.labelNames.length === 0) this.#values.set("", 0);
  }

  add(amount: number, ...labels: string[]): void {
    const key = labels.join(separator);
    this.#values.set(key, (this.#values.get(key) ?? 0) + amount);
  }

  protected samples(): string {
    return [...this.#values].map(([key, value]) => this.line("", key.split(separator), value)).join("");
  }
}

/** Is asked for its value when it is read; of several under the same labels the greatest counts. */
export class Gauge extends Instrument {
  readonly #read: () => Iterable<readonly [value: number, ...labels: string[]]>;

  constructor(options: InstrumentOptions, read: () => Iterable<readonly [value: number, ...labels: string[]]>) {
    super("gauge", options);
    this.#read = read;
  }

  protected samples(): string {
    const values = new Map<string, number>();
    for (const [value, ...labels] of this.#read()) {
      const key = labels.join(separator);
      values.set(key, Math.max(value, values.get(key) ?? Number.NEGATIVE_INFINITY));
    }
    return [...values].map(([key, value]) => this.line("", key.split(separator), value)).join("");
  }
}

interface Distribution {
  readonly counts: Float64Array;
  sum: number;
}

/** Counts values by bucket: those up to a bound, cumulative when read. */
export class Histogram extends Instrument {
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, Distribution>();

  constructor({ bounds, ...options }: InstrumentOptions & { readonly bounds: readonly number[] }) {
    super("histogram", options);
    this.#bounds = bounds;
  }

  observe(value: number, ...labels: string[]): void {
    const key = labels.join(separator);
    let series = this.#series.get(key);
    if (series === undefined) {
      series = { counts: new Float64Array(this.#bounds.length + 1), sum: 0 };
      this.#series.set(key, series);
    }
    let at = 0;
    while (at < this.#bounds.length && value > (this.#bounds[at] ?? 0)) at++;
    series.counts[at] = (series.counts[at] ?? 0) + 1;
    series.sum += value;
  }

  protected samples(): string {
    let text = "";
    for (const [key, { counts, sum }] of this.#series) {
      const labels = key === "" ? [] : key.split(separator);
      let total = 0;
      for (const [index, count] of counts.entries()) {
        total += count;
        const bound = this.#bounds[index];
        text += this.line("_bucket", labels, total, `le="${bound === undefined ? "+Inf" : bound}"`);
      }
      text += this.line("_sum", labels, sum) + this.line("_count", labels, total);
    }
    return text;
  }
}

/** Seconds, from a tenth of a millisecond to ten minutes. */
export const secondsBounds: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600,
];

/** How many rows travel together. */
export const rowsBounds: readonly number[] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000];

/**
 * Values of a label whose number others decide: beyond the first `limit` all are `_other`, so that no careless id can make
 * as many series as there are runs.
 */
export class BoundedLabel {
  readonly #limit: number;
  readonly #known = new Set<string>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  of(value: string): string {
    if (this.#known.has(value)) return value;
    if (this.#known.size >= this.#limit) return "_other";
    this.#known.add(value);
    return value;
  }
}

function escaped(text: string, isValue: boolean): string {
  const lines = text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return isValue ? lines.replaceAll('"', '\\"') : lines;
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (Number.isFinite(value)) return String(value);
  return value > 0 ? "+Inf" : "-Inf";
}
