export * from "./causes.ts";
export * from "./ids.ts";
export * from "./ledger.ts";
export * from "./next.ts";
export * from "./retry.ts";
export * from "./rules.ts";
export * from "./run.ts";
export * from "./transitions.ts";
