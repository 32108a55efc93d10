import type { Paused, PauseView } from "@holdfast/protocol";
import { type Connection, connected } from "./connection.ts";
import { exitCodes } from "./failures.ts";
import type { CommonFlags } from "./project.ts";
import type { Terminal } from "./terminal.ts";
import { agoText } from "./times.ts";

type Kind = PauseView["kind"];

/** `holdfast runs|queues|definitions pause NAME`. */
export function pause(
  terminal: Terminal,
  target: { readonly kind: Kind; readonly name: string },
  flags: CommonFlags & { readonly reason?: string },
): Promise<number> {
  const act = async ({ plane }: Connection) => {
    const done = await plane.pause(target.kind, target.name, flags.reason);
    terminal.answer(done);
    if (!done.changed) terminal.note(`${subject(done)} was paused already, ${whenText(done.since ?? "", Date.now())}.`);
    else terminal.note(`${subject(done)} is paused: ${held[done.kind]} What is running goes on to its end.`);
    if (done.note !== undefined) terminal.note(done.note);
    return exitCodes.done;
  };
  // What has no runs yet can be paused, also where nothing has been run at all.
  return connected(terminal, flags, act, { makes: target.kind !== "run" });
}

/** `holdfast runs|queues|definitions resume NAME`. */
export function resume(
  terminal: Terminal,
  target: { readonly kind: Kind; readonly name: string },
  flags: CommonFlags,
): Promise<number> {
  return connected(terminal, flags, async ({ plane }) => {
    const done = await plane.resume(target.kind, target.name);
    terminal.answer(done);
    terminal.note(done.changed ? `${subject(done)} is resumed.` : `${subject(done)} was not paused.`);
    if (done.note !== undefined && !done.changed) terminal.note(done.note);
    for (const other of done.others) terminal.note(`It still waits: ${pauseText(other)}.`);
    return exitCodes.done;
  });
}

/** Who or what is paused, since when and why: `queue etl is paused since 5 min ago (a repair)`. */
export function pauseText({ kind, name, since, reason }: PauseView, now = Date.now()): string {
  return `${kind} ${name} is paused, ${whenText(since, now)}${reason === null ? "" : ` (${reason})`}`;
}

function whenText(since: string, now: number): string {
  const text = agoText(since, now);
  return text === "now" ? "just now" : text;
}

const held: Readonly<Record<Kind, string>> = {
  run: "nothing in it starts.",
  definition: "none of its runs starts, nor anything in them.",
  queue: "nothing in it starts.",
};

function subject({ kind, name }: Paused): string {
  return `${kind.charAt(0).toUpperCase()}${kind.slice(1)} ${name}`;
}
