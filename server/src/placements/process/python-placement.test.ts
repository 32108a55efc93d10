import { bodiesRoot } from "../fixtures/recording.ts";
import { placementContract, python } from "../placement.contract.ts";
import { ProcessPlacement } from "./process-placement.ts";

placementContract(
  "process (Python)",
  () => new ProcessPlacement({ projectRoot: bodiesRoot, concurrency: 2, abortGraceMs: 50, termGraceMs: 50 }),
  python,
);
