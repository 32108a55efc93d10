import { type RunRow, rankOf } from "../../core/index.ts";
import type { Change, NotedEvent, Summary } from "./changes.ts";
import { frozen } from "./kept.ts";
import type { Memory } from "./memory.ts";

/**
 * Everything that a memory holds, as changes that make it out of nothing; presences, which are the process's own, left out.
 * What is yielded is what was there at the call, however the memory goes on. Call it when all events have been sequenced.
 */
export function contentOf(memory: Memory): Iterable<Change | Summary> {
  const { runs, definitions, events, steps, logs, names, slots, pauses, schedules, waits, members, endedRoots } =
    memory;
  const { obligations } = memory;
  const histories = events.content();
  const rows = [...definitions.content(), ...runs.content()];
  const rest: (Change | Summary)[] = [...steps.content(), ...logs.content(), ...names.content()];
  rest.push(
    ...slots.content(),
    ...pauses.content(),
    ...schedules.content(),
    ...waits.content(),
    ...memory.jobs.content(),
    ...memory.state.content(),
    ...memory.assets.content(),
    ...memory.objects.content(),
    ...obligations.content(),
  );
  for (const member of members.values()) rest.push({ is: "member", member });
  rest.push({ is: "endedRoots", roots: [...endedRoots] });
  rest.push({ is: "lastPlaces", runs: runs.lastPlace, lines: logs.lastPlace });
  return (function* () {
    yield* rows;
    yield* histories;
    yield* rest;
  })();
}

type Named<Is> = Extract<Change | Summary, { is: Is }>;

const again: { readonly [Is in (Change | Summary)["is"]]: (memory: Memory, change: Named<Is>) => void } = {
  run: ({ runs }, { run, place }) => runs.put(wholeRow(frozen(run)), place),
  changed: restoreChanged,
  edges: ({ runs }, { edges }) => runs.addEdges(edges),
  flipped: ({ runs }, { edges }) => runs.flipEdges(edges),
  unflipped: ({ runs }, { edges }) => runs.unflipEdges(edges),
  removed: (memory, { rootIds }) => void memory.forgetTrees(rootIds),
  event: (memory, { runId, event }) => recordEvents(memory, runId, [event]),
  events: (memory, { runId, events }) => {
    recordEvents(memory, runId, events);
    memory.events.forgetUnsequenced();
  },
  topic: ({ events }, topic) => events.restoreTopic(topic),
  topicEnd: ({ events }, end) => events.restoreEnd(end),
  topicsForgotten: ({ events }, { before }) => events.forgetTopics(before),
  line: ({ logs }, change) => logs.restore(frozen(change.kept)),
  seenLines: ({ logs }, { runId, identities }) => logs.markSeen(runId, identities),
  linesForgotten: ({ logs }, { before }) => logs.forgetLines(before),
  wait: ({ waits }, { wait }) => waits.put(frozen(wait)),
  waitEnded: ({ waits }, { runId, generation, key }) => waits.end({ runId, generation, key }),
  job: ({ jobs }, { job }) => jobs.put(frozen(job)),
  signal: ({ waits }, { signal }) => waits.keep(frozen(signal)),
  signalTaken: ({ waits }, { runId, number }) => waits.take({ runId, number }),
  step: ({ steps }, step) => steps.restore(frozen(step)),
  state: ({ state }, { row }) => state.put(frozen(row)),
  stateDeleted: ({ state }, { place, key }) => state.delete(place, key),
  asset: ({ assets }, { asset }) => assets.put(frozen(asset)),
  assetForgotten: ({ assets }, name) => assets.forget(name),
  assetDeclared: ({ assets }, { declaration }) => assets.declare(frozen(declaration)),
  assetWithdrawn: ({ assets }, declaration) => assets.withdraw(declaration),
  assetEvent: ({ assets }, { event }) => assets.tell(frozen(event)),
  assetEventsForgotten: ({ assets }, { upTo, ...name }) => assets.forgetEvents(name, upTo),
  consumer: ({ assets }, { consumer }) => assets.putConsumer(frozen(consumer)),
  cursor: ({ assets }, { cursor }) => assets.putCursor(frozen(cursor)),
  // What an older version wrote counts no objects.
  stateUse: ({ state }, { use }) => state.setUse(frozen({ ...use, objectBytes: use.objectBytes ?? 0 })),
  object: ({ objects }, { object }) => objects.put(frozen(object)),
  objectForgotten: ({ objects }, { name }) => objects.delete(name),
  name: ({ names }, change) => names.restore(change.name, change.kept),
  namesForgotten: (memory, { names }) => memory.names.forget(names),
  limit: ({ slots }, { limit }) => slots.resize(limit),
  limitForgotten: ({ slots }, { id }) => slots.forget(id),
  slot: ({ slots }, { limitId, runId, held, freeAt }) =>
    held ? slots.hold(limitId, runId, freeAt) : slots.free(limitId, runId),
  pause: ({ pauses }, { pause }) => pauses.put(pause),
  pauseForgotten: ({ pauses }, { id }) => pauses.forget(id),
  obligation: ({ obligations }, { obligation }) => obligations.put(obligation),
  schedule: ({ schedules }, { schedule }) => schedules.put(frozen(schedule)),
  scheduleWithdrawn: ({ schedules }, { namespace, id }) => schedules.withdraw(namespace, id),
  member: ({ members }, { member }) => members.set(member.id, member),
  memberForgotten: ({ members }, { id }) => members.delete(id),
  manifest: ({ definitions }, { hash, manifest }) => definitions.keep(hash, frozen(manifest)),
  definition: ({ definitions }, { namespace, row }) => definitions.makeCurrent(namespace, row),
  endedRoots: (memory, { roots }) => {
    memory.endedRoots = [...roots];
  },
  lastPlaces: ({ runs, logs }, places) => {
    runs.raisePlace(places.runs);
    logs.raisePlace(places.lines);
  },
};

/**
 * Does a noted change again; in the order in which they were noted they lead to the same content. The change is the memory's
 * from then on.
 */
export function restore(memory: Memory, change: Change | Summary): void {
  const doAgain = again[change.is] as (memory: Memory, change: Change | Summary) => void;
  doAgain(memory, change);
}

function restoreChanged(memory: Memory, { runId, set, unset }: Extract<Change, { is: "changed" }>): void {
  const before = memory.runs.find(runId);
  if (before === undefined) throw new Error(`The run ${runId}, which is said to have changed, is not there.`);
  const without = Object.fromEntries((unset ?? []).map((name) => [name, undefined]));
  memory.putRun({ ...before, ...frozen(set), ...without });
}

/** JSON leaves out what has no value; rows name it. */
function wholeRow(run: RunRow): RunRow {
  // What an older version wrote has no waits, no rank, no first attempt and no clean-up.
  const { rank = rankOf(run, run.createdAt) } = run as Partial<Pick<RunRow, "rank">>;
  return {
    ...run,
    rank,
    firstAttempt: run.firstAttempt ?? 1,
    cleansUp: run.cleansUp ?? false,
    input: run.input,
    output: run.output,
    waiting: run.waiting ?? null,
  };
}

function recordEvents(memory: Memory, runId: string, events: readonly NotedEvent[]): void {
  const run = memory.runs.find(runId);
  if (run === undefined) throw new Error(`The run ${runId}, of which there is an event, is not there.`);
  for (const event of frozen(events)) memory.events.record({ run, ...event });
}
