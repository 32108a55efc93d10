// Every tracker against the fakes of its service (test/clouds).
import { subjects } from "./subjects.ts";
import { testTracker } from "./tracker.contract.ts";

for (const subject of subjects) testTracker(subject);
