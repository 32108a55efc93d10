import type { ChannelMethod, ChannelParams, ChannelResult, CodeTaskSpec } from "@holdfast/protocol";
import type { ActivationLog } from "../operations/activation-log.ts";
import type { BodyAssets } from "../operations/body-assets.ts";
import type { BodyState } from "../operations/body-state.ts";
import type { BodyWaits } from "../operations/body-waits.ts";
import type { Completion, HeldActivation } from "../operations/completion.ts";
import type { Definitions } from "../operations/definitions.ts";
import type { JobBodies } from "../operations/job-bodies.ts";

/** What the methods of an activation act on. Identity comes from here, never from a message. */
export interface Session {
  readonly held: HeldActivation;
  readonly task: CodeTaskSpec;
  readonly definitions: Definitions;
  readonly completion: Completion;
  readonly waits: BodyWaits;
  readonly state: BodyState;
  readonly assets: BodyAssets;
  readonly jobs: JobBodies;
  readonly log: ActivationLog;
}

/** One function a method: parsed params in, result out. Throws AppError. */
export type Handlers<M extends ChannelMethod> = {
  readonly [Method in M]: (session: Session, params: ChannelParams<Method>) => Promise<ChannelResult<Method>>;
};
