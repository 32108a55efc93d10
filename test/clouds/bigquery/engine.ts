/** A query as a job asks for it. */
export interface Query {
  /** Of the job: a change is made once for it, however often it is asked for. */
  readonly job: string;
  readonly sql: string;
  readonly project: string;
  /** Where names of tables without one are looked for. */
  readonly defaultDataset?: string;
  readonly parameters: readonly QueryParameter[];
  /** The table that takes the rows, with how. */
  readonly destination?: { readonly dataset: string; readonly table: string; readonly write: string };
}

/** As the API has it: a scalar's value is text. */
export interface QueryParameter {
  readonly name?: string;
  readonly parameterType: ParameterType;
  readonly parameterValue: ParameterValue;
}

export interface ParameterType {
  readonly type: string;
  readonly arrayType?: ParameterType;
  readonly structTypes?: readonly { readonly name?: string; readonly type: ParameterType }[];
}

export interface ParameterValue {
  readonly value?: string | null;
  readonly arrayValues?: readonly ParameterValue[];
  readonly structValues?: Readonly<Record<string, ParameterValue>>;
}

export interface ResultField {
  readonly name: string;
  readonly type: string;
  readonly mode?: string;
  readonly fields?: readonly ResultField[];
}

/** As BigQuery sends it: scalars as text, a repeated value as `{v}`s, a record as `{f: [{v}]}`. TIMESTAMP in microseconds. */
export type Cell = string | null | readonly { readonly v: Cell }[] | { readonly f: readonly { readonly v: Cell }[] };

export interface QueryResult {
  readonly fields: readonly ResultField[];
  readonly rows: readonly (readonly Cell[])[];
  readonly statementType: string;
  /** Of INSERT, UPDATE, DELETE, MERGE. */
  readonly affectedRows?: number;
  readonly bytesProcessed?: number;
}

/** Why a query failed, in BigQuery's words. */
export class QueryFailure extends Error {
  readonly reason: string;
  readonly location: string | undefined;

  constructor(reason: string, message: string, location?: string) {
    super(message);
    this.reason = reason;
    this.location = location;
  }
}

export interface TableFacts {
  readonly dataset: string;
  readonly table: string;
  readonly fields: readonly ResultField[];
  readonly rowCount: number;
}

/** What carries queries out. Without one, jobs do as their scripts say and touch no data. */
export interface QueryEngine {
  run(query: Query, gone: AbortSignal): Promise<QueryResult>;
  tables(): Promise<readonly TableFacts[]>;
  rows(dataset: string, table: string): Promise<QueryResult | undefined>;
  close(): Promise<void>;
}
