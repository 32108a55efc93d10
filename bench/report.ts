import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { quantile } from "./quantile.ts";
import type { Sample } from "./rounds.ts";

export interface Machine {
  readonly cores: number;
  readonly processor: string;
  readonly memoryMB: number;
  readonly node: string;
  readonly loadAtEnd: number;
}

export function thisMachine(): Machine {
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? "unknown",
    memoryMB: Math.round(totalmem() / 1024 / 1024),
    node: process.version,
    loadAtEnd: loadavg()[0] ?? 0,
  };
}

interface Line {
  readonly who: string;
  readonly metric: string;
  readonly values: number[];
  readonly loads: number[];
  readonly unit: string;
}

/** The samples as Markdown: a table a measure, with median, spread (lowest to highest) and the ratio to the first line. */
export function markdown(samples: readonly Sample[], machine: Machine): string {
  const { cores, processor, memoryMB, node } = machine;
  const loads = samples.map(({ load }) => load);
  const load = `load average ${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)}`;
  const text = [`# Bench`, "", `${cores} cores (${processor}), ${memoryMB} MB, Node ${node}; ${load}.`];
  for (const title of new Set(samples.map((sample) => sample.title))) {
    text.push("", `## ${title}`);
    const own = samples.filter((sample) => sample.title === title);
    text.push(...comparisons(own));
    text.push(...plainTable(own));
    for (const { row, failure } of own) {
      if (failure !== undefined) text.push("", `${row.system}, ${row.setting}: failed: ${failure.split("\n")[0]}`);
    }
  }
  return `${text.join("\n")}\n`;
}

function plainTable(samples: readonly Sample[]): string[] {
  const lines = linesOf(samples);
  if (lines.length === 0) return [];
  const rows = lines.map(({ who, metric, values, loads, unit }) => {
    const spread = `${shown(Math.min(...values))}–${shown(Math.max(...values))}`;
    const load = quantile(loads, 0.5).toFixed(1);
    return `| ${who} | ${metric} | ${shown(quantile(values, 0.5))} ${unit} | ${spread} | ${values.length} | ${load} |`;
  });
  return [
    "",
    "| system | measured | median | spread | rounds | load |",
    "| --- | --- | ---: | ---: | ---: | ---: |",
    ...rows,
  ];
}

/** What was measured on two stores in turn: medians of the rounds' medians, and the spread of their ratios. */
function comparisons(samples: readonly Sample[]): string[] {
  const text: string[] = [];
  for (const store of new Set(samples.map(({ row }) => row.store))) {
    const metrics = samples.filter(({ row }) => row.store === store).flatMap((sample) => sample.metrics);
    const compared = metrics.filter(({ alone }) => alone !== undefined);
    if (compared.length === 0) continue;
    text.push("", `| ${store} | alone, ms | beside them, ms | ratio | spread |`, "| --- | ---: | ---: | ---: | ---: |");
    for (const name of new Set(compared.map((metric) => metric.name))) {
      const own = compared.filter((metric) => metric.name === name);
      const ratios = own.map(({ value, alone = value }) => value / alone);
      const alone = quantile(
        own.map((metric) => metric.alone ?? 0),
        0.5,
      );
      const beside = quantile(
        own.map(({ value }) => value),
        0.5,
      );
      const spread = `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`;
      text.push(`| ${name} | ${shown(alone)} | ${shown(beside)} | ${quantile(ratios, 0.5).toFixed(2)} | ${spread} |`);
    }
  }
  return text;
}

function linesOf(samples: readonly Sample[]): Line[] {
  const lines = new Map<string, Line>();
  for (const { row, metrics, load } of samples) {
    for (const { name, unit, value, alone } of metrics) {
      if (alone !== undefined) continue;
      const who =
        row.system === "holdfast" ? `Holdfast, ${row.store}, ${row.setting}` : `${row.system}, ${row.setting}`;
      const line = lines.get(`${who} ${name}`) ?? { who, metric: name, values: [], loads: [], unit };
      line.values.push(value);
      line.loads.push(load);
      lines.set(`${who} ${name}`, line);
    }
  }
  return [...lines.values()];
}

function shown(value: number): string {
  if (value >= 1_000) return Math.round(value).toLocaleString("en");
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
