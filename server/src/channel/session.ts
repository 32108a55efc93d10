import {
  type AccessGroup,
  AppError,
  type ChannelMethod,
  type ChannelParams,
  type ChannelResult,
  channelMethods,
  withheldMethods,
} from "@holdfast/protocol";
import { isCleanUp } from "../operations/completion.ts";
import type { Handlers, Session } from "./handlers.ts";
import { lifecycle } from "./lifecycle.ts";
import { logging } from "./logging.ts";
import { orchestration } from "./orchestration.ts";
import { reading } from "./reading.ts";
import { state } from "./state.ts";

// The one door between user code and the control plane (P8). A method is in exactly one group; what no grant names is denied.

const handlers: Handlers<ChannelMethod> = { ...lifecycle, ...logging, ...orchestration, ...reading, ...state };

/** Answers one call of an activation whose process is granted `grants`. */
export async function answer<M extends ChannelMethod>(
  session: Session,
  grants: readonly AccessGroup[],
  method: M,
  params: ChannelParams<M>,
): Promise<ChannelResult<M>> {
  const { group } = channelMethods[method];
  if (!grants.includes(group)) {
    throw new AppError(
      "method_denied",
      `${method} belongs to the group "${group}", which this process is not granted.`,
    );
  }
  if (withheldMethods[isCleanUp(session.held) ? "cleanUp" : "body"].includes(method)) {
    throw new AppError(
      "method_denied",
      `${method} is nothing for a clean-up: its run is to end, and waits for nothing.`,
      { hint: "Do it in a step, or in a run of its own: ctx.start." },
    );
  }
  return handlers[method](session, params);
}
