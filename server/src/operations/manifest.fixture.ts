import { defaultRetry, type Manifest, type TaskSpec, type WorkflowNode, type WorkflowSpec } from "@holdfast/protocol";

/** A task that takes and returns anything. */
export const taskSpec: TaskSpec = {
  kind: "task",
  id: "unit",
  executor: "typescript",
  source: { module: "unit.ts", export: "unit" },
  queue: "default",
  priority: 0,
  retry: defaultRetry,
  placement: "process",
  isolation: "pool",
  reads: [],
  writes: [],
};

/** A manifest of a workflow with these nodes, and of the task that they call. */
export function workflowManifest(
  id: string,
  nodes: readonly WorkflowNode[],
  { spec = {}, task = taskSpec }: { readonly spec?: Partial<WorkflowSpec>; readonly task?: TaskSpec } = {},
): Manifest {
  const workflow: WorkflowSpec = {
    kind: "workflow",
    id,
    source: { module: "flow.ts", export: "flow" },
    priority: 0,
    nodes: [...nodes],
    output: { const: null },
    ...spec,
  };
  return { format: 1, root: id, definitions: { [id]: workflow, unit: task }, assets: {} };
}
