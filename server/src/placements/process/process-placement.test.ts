import { bodiesRoot } from "../fixtures/recording.ts";
import { placementContract } from "../placement.contract.ts";
import { ProcessPlacement } from "./process-placement.ts";

placementContract("process", () => {
  return new ProcessPlacement({ projectRoot: bodiesRoot, concurrency: 2, abortGraceMs: 50, termGraceMs: 50 });
});
