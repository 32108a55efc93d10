export interface WaitName {
  readonly runId: string;
  readonly generation: number;
  readonly key: string;
}
