/** Bounds that hold on every path (P11). Names end in their unit. */
export const limits = {
  /** One frame on the channel, and one HTTP body. */
  frameBytes: 32 * 1024 * 1024,
  inputBytes: 1024 * 1024,
  /** An input that a command also finds in a variable: the system takes 128 KiB at most. */
  inputVariableBytes: 64 * 1024,
  outputBytes: 1024 * 1024,
  /** A map's list of outputs and a workflow's output. */
  collectedOutputBytes: 16 * 1024 * 1024,
  stepValueBytes: 1024 * 1024,
  /** Lists and objects within each other, in a value that somebody gives: an input, an output, a step's value, a field of a log. */
  nestingLevels: 500,
  /** The same in what bindings make of such values, for they wrap outputs; and in a whole HTTP body. See docs/decisions/0017. */
  boundNestingLevels: 600,
  stepsPerRun: 10_000,
  stepBytesPerRun: 16 * 1024 * 1024,
  /** Waits that one run has open at a time. */
  openWaitsPerRun: 1_000,
  /** A called run's output that is kept in the caller's record; a larger one is read from the run. */
  waitValueBytes: 8 * 1024,
  /** A signal's payload. */
  signalBytes: 64 * 1024,
  /** Signals of one run that nobody has waited for yet. */
  signalsPerRun: 1_000,
  /** What is to be submitted as an external job, as JSON. */
  jobSpecBytes: 256 * 1024,
  /** The result of an external job. */
  jobResultBytes: 256 * 1024,
  /** Submissions under one key; once there are so many, nothing submits it again by itself, and a person decides. */
  submissionsPerKey: 10,
  /** Events that tell how one external job goes on, its beginning and its end left out. */
  eventsPerJob: 100,
  /** A key of state. */
  stateKeyCharacters: 512,
  /** One value of state, as JSON. */
  stateValueBytes: 64 * 1024,
  /** The same where it lies with a state backend instead of the store. */
  stateObjectBytes: 4 * 1024 * 1024,
  /** Of one scope: its values, those that have expired and have not been swept among them. */
  stateKeysPerScope: 10_000,
  stateBytesPerScope: 16 * 1024 * 1024,
  /** Of one scope: what lies with a state backend. */
  stateObjectBytesPerScope: 1024 * 1024 * 1024,
  /** What one transaction of state does, and in how many scopes. */
  stateOpsPerTransaction: 100,
  /** Values of state that one call reads by their keys: with the largest values as much as a page. */
  stateKeysPerRead: 256,
  /** What one event of an asset says, as JSON. */
  assetEventBytes: 64 * 1024,
  /** Lists and objects within each other in it: the input of the run that it starts has more around it. */
  assetEventNestingLevels: 490,
  /** A list that is a watermark. */
  watermarkParts: 16,
  /** Assets whose events start runs of one definition. */
  assetsPerStart: 10,
  /** Events of one asset that go into one run, and the payloads of all of them together: what is left is the next run's. */
  eventsPerStart: 100,
  eventBytesPerStart: 768 * 1024,
  uriCharacters: 2_000,
  keyCharacters: 512,
  idCharacters: 200,
  itemCharacters: 200,
  commandCharacters: 100_000,
  environmentValueCharacters: 32 * 1024,
  nodesPerWorkflow: 5_000,
  itemsPerMap: 100_000,
  /** The inputs of a map's items together, as JSON: they are put in place in one step. */
  itemInputsPerMapCharacters: 64 * 1024 * 1024,
  treeDepth: 20,
  manifestBytes: 8 * 1024 * 1024,
  cronCharacters: 200,
  /** A schedule's jitter. */
  jitterMs: 86_400_000,
  schedulesPerDefinition: 1_000,
  /** Missed ticks that `catchUp: "all"` makes up for; older ones are left out. */
  catchUpTicks: 1_000,
  /** Of a schedule: what it says of ticks that started no run, the newest. */
  scheduleNotes: 50,
  /** Of one concurrency limit, and starts of a rate within its time. */
  slots: 1_000,
  /** Of a fair line: runs of one key that may start next, while the others stand in line. */
  fairRuns: 10,
  /** The time of a rate. */
  ratePerMs: 30 * 86_400_000,
  /** Concurrency limits that one run is subject to. */
  limitsPerRun: 10,
  attempts: 1_000,
  /** Delays, timeouts, expiries, retention of keys: ten years. Far longer ones end at no moment that can be written. */
  spanMs: 3_650 * 86_400_000,
  logLineBytes: 64 * 1024,
  logLinesPerActivation: 100_000,
  errorTextBytes: 64 * 1024,
  /** Files that one process has loaded and is known by; one that has loaded more is used once. */
  codeFiles: 5_000,
  pageRows: 1_000,
  /** What a node's bindings may read: its workflow's input, and the outputs of the nodes before it together. */
  scopeBytes: 64 * 1024 * 1024,
  /** Inputs, outputs and errors of one page, or what its events say: a row that comes after so much waits for the next page. */
  pageBytes: 16 * 1024 * 1024,
  /** Texts and fields of one page of a log. As JSON they may be six times as long: control characters. */
  logPageBytes: 4 * 1024 * 1024,
  batchRows: 5_000,
  /** What is told to end has so long to do so by itself before it gets TERM, and then so long before KILL. */
  abortGraceMs: 5_000,
  termGraceMs: 5_000,
  /** Losses of the activation's own process without a recorded step between, then the run fails. */
  losses: 5,
  /** Losses because the node or worker itself died: it is seldom the task's fault. */
  takeovers: 50,
} as const;

/** Bytes of a text in UTF-8. */
export function utf8Bytes(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (unit >= 0xd800 && unit < 0xdc00) {
      bytes += 4;
      i++;
    } else bytes += 3;
  }
  return bytes;
}

/** The text with what cannot be stored replaced by U+FFFD: a cut may have left half a surrogate pair. */
export function storableText(text: string): string {
  return text.replaceAll("\u0000", "\ufffd").toWellFormed();
}

/** What makes a text unfit to be stored, or undefined: NUL and lone surrogates cannot be kept by every store. */
export function textDefect(text: string): "NUL" | "lone surrogate" | undefined {
  if (text.includes("\u0000")) return "NUL";
  return text.isWellFormed() ? undefined : "lone surrogate";
}
