import type { ChildCommand } from "./child.ts";

/** A program that children are started as. Children of one program may stand in for each other until they are used. */
export interface Program {
  /** The same for what is started alike. */
  readonly key: string;
  /** Whether one may be started ahead of its use. */
  readonly spare: boolean;
  /** What one more child is started with. */
  start(): ChildCommand;
}
