import { Fleet } from "./fleet.ts";

// A stretch of seeds in a process of its own: node simulate.ts FIRST COUNT. One line of JSON a fleet; ends at the first breach.

const [first = 1, count = 1] = process.argv.slice(2).map(Number);
for (let seed = first; seed < first + count; seed++) {
  const report = await new Fleet(seed).run();
  process.stdout.write(`${JSON.stringify(report)}\n`);
  if (report.breach !== undefined) break;
}
process.exit(0);
