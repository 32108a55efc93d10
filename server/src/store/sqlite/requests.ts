import { admitText } from "../admission.ts";
import type { KeptAnswer, OnceCall, OnceResult, RequestName } from "../store.ts";
import type { Turn } from "./turn.ts";

// Requests that control something: the answer lies with the effect, in the same transaction (P3).

export function carryOutOnce(
  turn: Turn,
  { request, call }: { request: RequestName; call: OnceCall },
  carry: (verb: Exclude<OnceCall["verb"], "keep">, args: unknown) => unknown,
): OnceResult {
  admitText([request]);
  const known = findAnswer(turn, request);
  if (known !== undefined) {
    if (known.hash !== request.hash || known.text === null) return { outcome: "request_conflict" };
    return { outcome: "repeated", answer: JSON.parse(known.text).answer };
  }
  const answer = call.verb === "keep" ? call.args : carry(call.verb, call.args);
  const { namespace, key, part, hash, retentionMs } = request;
  turn.db.run(
    `INSERT INTO keys (namespace, kind, scope, key, hash, run_id, expires_at, run_gone, answer)
     VALUES (?, 'request', ?, ?, ?, '', ?, 1, ?)`,
    namespace,
    part,
    key,
    hash,
    turn.now + retentionMs,
    JSON.stringify({ answer }),
  );
  return { outcome: "done", answer };
}

/** `text`: null where the key was used to enqueue. */
export function findAnswer(
  { db }: Turn,
  { namespace, key, part }: Pick<RequestName, "namespace" | "key" | "part">,
): (KeptAnswer & { readonly text: string | null }) | undefined {
  const row = db.find<{ hash: string; text: string | null }>(
    "SELECT hash, answer AS text FROM keys WHERE namespace = ? AND kind = 'request' AND scope = ? AND key = ?",
    namespace,
    part,
    key,
  );
  return row === undefined
    ? undefined
    : { ...row, answer: row.text === null ? undefined : JSON.parse(row.text).answer };
}
