/** Names a wait of a run: a key of its body is used once in a generation. */
export interface WaitName {
  readonly runId: string;
  readonly generation: number;
  readonly key: string;
}
