import { nameHint } from "@holdfast/protocol";
import type { YamlNode } from "./document.ts";
import type { FileProblems } from "./fields.ts";

/** What the order of tasks needs of one. */
export interface Dependent {
  readonly name: string;
  readonly what: string;
  /** The entries of `depends_on`, each with its place. */
  readonly dependencies: readonly { readonly name: string; readonly node: YamlNode }[];
}

/** The tasks so that each stands behind what it depends on, else as in the file. Tells of names that lead nowhere and circles. */
export function inOrder<T extends Dependent>(tasks: readonly T[], problems: FileProblems): T[] {
  const byName = new Map(tasks.map((task) => [task.name, task]));
  for (const task of tasks) checkNames(task, [...byName.keys()], problems);
  const ordered: T[] = [];
  const states = new Map<T, "open" | "done">();
  for (const start of tasks) {
    // A chain may be as long as the limit on nodes: it is walked without recursion.
    const stack: { readonly task: T; next: number }[] = [];
    const enter = (task: T): void => {
      states.set(task, "open");
      stack.push({ task, next: 0 });
    };
    if (!states.has(start)) enter(start);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const dependency = top.task.dependencies[top.next++];
      if (dependency === undefined) {
        states.set(top.task, "done");
        ordered.push(top.task);
        stack.pop();
        continue;
      }
      const upstream = byName.get(dependency.name);
      if (upstream === undefined || upstream === top.task) continue;
      const state = states.get(upstream);
      if (state === undefined) enter(upstream);
      else if (state === "open") {
        const names = stack.map(({ task }) => task.name);
        const circle = [...names.slice(names.indexOf(upstream.name)), upstream.name].join(" → ");
        problems.add(
          dependency.node,
          `${top.task.what}: tasks wait for each other in a circle: ${circle}`,
          "Remove one dependency.",
        );
      }
    }
  }
  return ordered;
}

function checkNames({ name, what, dependencies }: Dependent, known: readonly string[], problems: FileProblems): void {
  const seen = new Set<string>();
  for (const { name: upstream, node } of dependencies) {
    if (upstream === name) problems.add(node, `${what} depends on itself`, "Remove it.");
    else if (!known.includes(upstream)) {
      problems.add(
        node,
        `${what}: "depends_on" names "${upstream}", which is no task here`,
        nameHint(
          upstream,
          known.filter((other) => other !== name),
        ),
      );
    } else if (seen.has(upstream)) problems.add(node, `${what}: "depends_on" names "${upstream}" twice`, "Remove one.");
    seen.add(upstream);
  }
}
