import type { RunView } from "@holdfast/protocol";
import type { ControlPlane } from "@holdfast/sdk/client";

/** Everything below a run, in the order of creation. */
export async function listBelow(plane: ControlPlane, root: RunView): Promise<RunView[]> {
  const below: RunView[] = [];
  const inside = new Map([[root.id, root.generation]]);
  let after: string | undefined;
  do {
    const { runs, cursor } = await plane.listTree(root.id, after);
    for (const run of runs) {
      // What an earlier generation made is history.
      if (run.parentId === null || inside.get(run.parentId) !== run.parentGeneration) continue;
      inside.set(run.id, run.generation);
      below.push(run);
    }
    after = cursor ?? undefined;
  } while (after !== undefined);
  return below;
}
