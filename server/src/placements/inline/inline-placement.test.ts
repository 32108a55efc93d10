import { registerModuleHook } from "@holdfast/sdk/module-hook";
import { bodiesRoot } from "../fixtures/recording.ts";
import { placementContract } from "../placement.contract.ts";
import { InlinePlacement } from "./inline-placement.ts";

registerModuleHook();

placementContract("inline", () => new InlinePlacement({ projectRoot: bodiesRoot, concurrency: 2, abortGraceMs: 50 }));
