// What users import.
export {
  AppError,
  type Duration,
  isAppError,
  type Json,
  type StateOpResult,
  type TriggerRule,
} from "@holdfast/protocol";
export { type AssetOptions, asset } from "./asset.ts";
export type {
  Advanced,
  AdvanceOptions,
  Asset,
  AssetEvent,
  EmitOptions,
  Emitted,
  ReadableAsset,
  StartedBy,
  StartOnOption,
  WritableAsset,
} from "./assets.ts";
export type { Bound, Resolved } from "./bound.ts";
export type { Builder, CallHandle, Handle, MapHandle, MapOptions, NodeOptions } from "./builder.ts";
export { cel, type Expression } from "./cel.ts";
export type { CancelReason, CleanUp, CleanUpContext, CleanUpOptions } from "./clean-up.ts";
export {
  Client,
  type DefinedTarget,
  Holdfast,
  type RunHandle,
  type RunQuery,
  type RunTarget,
  type StartOptions,
} from "./client.ts";
export type { BodyContext, TaskContext } from "./context.ts";
export type { RetryOptions, Task, TaskOptions, Workflow, WorkflowOptions } from "./definition.ts";
export type { Placeholder, Ref } from "./reference.ts";
export { type Schedule, type Scheduled, type Schedules, schedule, type TickReference } from "./schedule.ts";
export type { StandardSchema } from "./standard-schema.ts";
export type {
  AnyState,
  DeleteOptions,
  SetOptions,
  StateChange,
  StateChanges,
  StateDeclaration,
  StateEntry,
  StateHandle,
  StateOf,
  StepName,
  Storeable,
  VersionedState,
} from "./state.ts";
export { FatalError, RetryAfter } from "./steering.ts";
export type { Storable, Stored } from "./stored.ts";
export { task } from "./task.ts";
export type {
  CallMapOptions,
  CallOptions,
  ExternalOptions,
  SignalOptions,
  StartedRun,
  Wait,
  WaitContext,
} from "./wait.ts";
export { CallError, WaitTimedOut } from "./wait-errors.ts";
export { workflow } from "./workflow.ts";
