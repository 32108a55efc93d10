import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { constants, openSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { makePlaces, placesIn, type Reached } from "./points.ts";

/** Arms points below a folder and hears who has come to one. */
export class Ambush {
  readonly #folder: string;
  readonly #pipe: Socket;
  readonly #reached: Reached[] = [];
  #unread = "";

  constructor(folder: string) {
    this.#folder = folder;
    makePlaces(folder);
    const { told } = placesIn(folder);
    execFileSync("mkfifo", [told]);
    // Open for writing too, so that the pipe does not end when a writer does.
    this.#pipe = new Socket({ fd: openSync(told, constants.O_RDWR | constants.O_NONBLOCK), readable: true });
    this.#pipe.setEncoding("utf8");
    this.#pipe.on("data", (text: string) => {
      const lines = (this.#unread + text).split("\n");
      this.#unread = lines.pop() ?? "";
      for (const line of lines) this.#reached.push(JSON.parse(line) as Reached);
      this.#pipe.emit("told");
    });
  }

  /** Whoever passes the point after `skips` others stops there. */
  arm(point: string, skips = 0): void {
    writeFileSync(join(placesIn(this.#folder).armed, `${point}@${skips}`), "");
  }

  /** Nobody stops there any more, unless somebody has already. */
  disarm(): void {
    const { armed } = placesIn(this.#folder);
    for (const name of readdirSync(armed)) rmSync(join(armed, name), { force: true });
  }

  /** The next who has come to a point; undefined when nobody has within the time. */
  async next(limitMs: number): Promise<Reached | undefined> {
    const limit = AbortSignal.timeout(limitMs);
    while (this.#reached.length === 0) {
      try {
        await once(this.#pipe, "told", { signal: limit });
      } catch {
        return this.#reached.shift();
      }
    }
    return this.#reached.shift();
  }

  close(): void {
    this.#pipe.destroy();
  }
}
