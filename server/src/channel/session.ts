import {
  type AccessGroup,
  AppError,
  type ChannelMethod,
  type ChannelParams,
  type ChannelResult,
  channelMethods,
} from "@holdfast/protocol";
import type { ActivationLog } from "../operations/activation-log.ts";
import type { Completion, HeldActivation } from "../operations/completion.ts";
import { lifecycle } from "./lifecycle.ts";
import { logging } from "./logging.ts";

// The one door between user code and the control plane (P8). A method is in exactly one group; what no grant names is denied.

/** What the methods of an activation act on. Identity comes from here, never from a message. */
export interface Session {
  readonly held: HeldActivation;
  readonly completion: Completion;
  readonly log: ActivationLog;
}

/** One function a method: parsed params in, result out. Throws AppError. */
export type Handlers<M extends ChannelMethod> = {
  readonly [Method in M]: (session: Session, params: ChannelParams<Method>) => Promise<ChannelResult<Method>>;
};

const handlers: Handlers<ChannelMethod> = { ...lifecycle, ...logging };

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
  return handlers[method](session, params);
}
