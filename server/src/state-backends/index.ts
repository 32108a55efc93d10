// `holdfast/state-backend`: for those who write a state backend of their own.
export type { BackendDefect, StateBackend, StateBackendPage } from "./state-backend.ts";
export { type BackendCase, type BackendUnderTest, stateBackendSuite } from "./suite.ts";
