// `holdfast/testing`: definitions under test, in memory, on a clock that the test holds.
export { memoryStateBackend } from "../state-backends/memory-backend.ts";
export type { CrashPoint } from "./crashing-placement.ts";
export type { TestAssets } from "./test-assets.ts";
export type { TestExternal, TestJob } from "./test-external.ts";
export {
  openTest,
  type TestClock,
  type TestedDefinitions,
  TestHoldfast,
  type TestOptions,
  TestRun,
} from "./test-holdfast.ts";
