import { AppError, isAppError, isJson, type Reply, type WireError } from "@holdfast/protocol";

/** JSON-RPC's own numbers, and one for everything of ours. */
const rpcCodes = { parse: -32_700, request: -32_600, method: -32_601, params: -32_602, ours: -32_000 } as const;

export function resultReply(id: number, result: unknown): Reply {
  return { jsonrpc: "2.0", id, result };
}

/** The typed answer to a request that failed. What is no AppError is a fault of the control plane: it is not shown. */
export function errorReply(id: number | null, error: unknown, kind: keyof typeof rpcCodes = "ours"): Reply {
  const shown = isAppError(error) ? error : new AppError("internal", "The control plane failed to answer this call.");
  const data: WireError["data"] = {
    code: shown.code,
    ...(shown.hint !== undefined && { hint: shown.hint }),
    ...(shown.details !== undefined && isJson(shown.details) && { details: shown.details as never }),
  };
  const code = id === null ? rpcCodes.parse : rpcCodes[kind];
  return { jsonrpc: "2.0", id, error: { code, message: shown.message, data } };
}
