// Ork's defects by number, and that each has a test that says so. Faults to catch: a number without a test, a test of a number that is none.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

/** What went wrong there; Holdfast's tests say what is right. */
const defects: Readonly<Record<number, string>> = {
  1: "the first of several jobs to end makes the task a success",
  2: "the output of a task with jobs is lost",
  3: "a job that fails is not tried again",
  4: "what follows a failed job starts",
  5: "an error of one look ends the job",
  6: "an end is lost with the process that saw it",
  7: "the task's timeout counts the job's time, and a late end changes what has ended",
  8: "a hundred open jobs, or one that hangs, keep all others waiting",
  9: "an empty list of jobs waits for ever",
  10: "any output with a field of that name is taken for jobs",
  11: "a job that nobody can look at is looked at in silence for ever",
  12: "a cancel or timeout does not end the job",
  13: "a retry leaves two jobs of one task",
  14: "nothing keeps a job from being started twice",
  15: "what the SDKs write is not what is read",
  16: "words in details decide, and conditions are mistaken for ends",
  17: "a process is started before that is stored",
  18: "one error of the database loses a batch of statuses",
  19: "after a restart nobody knows the processes",
  20: "two schedulers start a task twice",
  21: "a late result of one try ends the next",
  22: "a timeout or cancel leaves the process alive",
  23: "cancelled tasks never count as complete",
  24: "cron of five fields is refused, schedules are not brought up to date",
  25: "Cloud Run is asked at the wrong address, and any condition is a success",
  26: "logs are written in quadratic time and cut",
  27: "large inputs cannot be passed, outputs have no limit",
  29: "any page may run commands, a failed run is exit code 0",
};
/** Of a part of Ork that has no counterpart yet: push workers. */
const open = [28];

const named = /^\s*(?:test|it)\(\s*"Ork defect ([\d and]+): /gm;

test("every defect of Ork has a test of its number", () => {
  const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".test.ts"));
  const texts = files.map((name) => readFileSync(join(import.meta.dirname, name), "utf8"));
  const tested = texts.flatMap((text) =>
    [...text.matchAll(named)].flatMap(([, numbers = ""]) => numbers.split(" and ")),
  );
  const numbers = [...new Set(tested.map(Number))].sort((a, b) => a - b);
  assert.deepEqual(numbers, Object.keys(defects).map(Number));
  assert.ok(open.every((number) => defects[number] === undefined));
});
