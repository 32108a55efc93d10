/** Reads the text format 0.0.4 of Prometheus strictly, as its documentation has it. Throws what is wrong with it, and where. */
export interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: Map<string, number>;
}

const namePattern = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const samplePattern = new RegExp(`^(${namePattern})(?:\\{(.*)\\})? (NaN|[+-]Inf|-?[0-9.]+(?:e[+-]?[0-9]+)?)$`);
const labelPattern = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

export function parseExposition(text: string): Map<string, Family> {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const families = new Map<string, Family>();
  let current: { readonly name: string; readonly family: Family } | undefined;
  let help: { readonly name: string; readonly text: string } | undefined;
  for (const line of text.slice(0, -1).split("\n")) {
    const [, what, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (what === "HELP") help = { name, text: rest };
    else if (what === "TYPE") {
      if (families.has(name)) throw new Error(`two families are called ${name}`);
      if (help?.name !== name) throw new Error(`${name} has no help`);
      if (!/^(counter|gauge|histogram)$/.test(rest)) throw new Error(`${name} is of type ${rest}`);
      if (rest === "counter" && !name.endsWith("_total")) throw new Error(`the counter ${name} does not end in _total`);
      current = { name, family: { type: rest, help: help.text, samples: new Map() } };
      families.set(name, current.family);
    } else takeSample(line, current);
  }
  for (const [name, family] of families) if (family.type === "histogram") checkHistogram(name, family);
  return families;
}

function takeSample(line: string, current: { readonly name: string; readonly family: Family } | undefined): void {
  const [, name, labels = "", value] = samplePattern.exec(line) ?? [];
  if (name === undefined || value === undefined) throw new Error(`no sample: ${line}`);
  const base = current?.family.type === "histogram" ? name.replace(/_(bucket|sum|count)$/, "") : name;
  if (current === undefined || base !== current.name) throw new Error(`${name} stands in another family`);
  labelPattern.lastIndex = 0;
  while (labelPattern.lastIndex < labels.length) {
    if (labelPattern.exec(labels) === null) throw new Error(`no labels: ${labels}`);
  }
  const series = `${name}{${labels}}`;
  if (current.family.samples.has(series)) throw new Error(`${series} is there twice`);
  const number = /Inf$/.test(value) ? Number(value.replace("Inf", "Infinity")) : Number(value);
  current.family.samples.set(series, number);
}

function checkHistogram(name: string, { samples }: Family): void {
  let last = 0;
  for (const [series, value] of samples) {
    if (!series.startsWith(`${name}_bucket`)) continue;
    if (value < last) throw new Error(`${series} holds less than the bucket below it`);
    last = series.includes('le="+Inf"') ? 0 : value;
    if (!series.includes('le="+Inf"')) continue;
    const count = series.replace("_bucket{", "_count{").replace(/,?le="\+Inf"/, "");
    if (samples.get(count) !== value) throw new Error(`${count} is not what its last bucket holds`);
  }
}
