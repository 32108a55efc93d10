import { page } from "../google/pages.ts";
import { ok } from "../google/refusals.ts";
import { Refusal } from "../refusal.ts";
import type { Answer, Exchange, Route } from "../routes.ts";
import type { QueryEngine, QueryResult, TableFacts } from "./engine.ts";
import { showRows, showSchema } from "./rows.ts";

/** The parts of datasets and tables that a reader of results needs: list, get, and `tabledata.list`. */
export function tableRoutes(
  engine: QueryEngine | undefined,
  anonymous: (exchange: Exchange) => QueryResult | undefined,
): readonly Route[] {
  const root = "/bigquery/v2/projects/{project}/datasets";
  const all = async () => (await engine?.tables()) ?? [];

  const listDatasets = async ({ params }: Exchange): Promise<Answer> => {
    const names = [...new Set((await all()).map(({ dataset }) => dataset))];
    const datasets = names.map((dataset) => ({
      kind: "bigquery#dataset",
      id: `${params.project}:${dataset}`,
      datasetReference: { datasetId: dataset, projectId: params.project },
      location: "US",
    }));
    return ok({ kind: "bigquery#datasetList", etag: "datasets", ...(datasets.length > 0 && { datasets }) });
  };

  const listTables = async ({ params, query }: Exchange): Promise<Answer> => {
    const found = (await all()).filter(({ dataset }) => dataset === params.dataset);
    const size = Number(query.get("maxResults") ?? 50);
    const { items, nextPageToken } = page(found, { size, token: query.get("pageToken") });
    const tables = items.map((table) => ({ kind: "bigquery#table", type: "TABLE", ...named(table, params.project) }));
    return ok({
      kind: "bigquery#tableList",
      etag: "tables",
      ...(tables.length > 0 && { tables }),
      ...(nextPageToken !== undefined && { nextPageToken }),
      totalItems: found.length,
    });
  };

  const getTable = async ({ params }: Exchange): Promise<Answer> => {
    const table = (await all()).find((known) => known.dataset === params.dataset && known.table === params.table);
    if (table === undefined) throw missing(params);
    return ok({
      kind: "bigquery#table",
      etag: `${table.rowCount}`,
      ...named(table, params.project),
      schema: showSchema({ fields: table.fields, rows: [], statementType: "SELECT" }),
      numRows: String(table.rowCount),
      type: "TABLE",
      location: "US",
    });
  };

  const listRows = async (exchange: Exchange): Promise<Answer> => {
    const { params, query } = exchange;
    const { dataset = "", table = "" } = params;
    const result = anonymous(exchange) ?? (await engine?.rows(dataset, table));
    if (result === undefined) throw missing(params);
    const { rows, pageToken, totalRows } = showRows(result, {
      start: Number(query.get("startIndex") ?? 0),
      size: Number(query.get("maxResults") ?? 10_000),
      token: query.get("pageToken"),
      areTimestampsWhole: query.get("formatOptions.useInt64Timestamp") === "true",
    });
    return ok({
      kind: "bigquery#tableDataList",
      etag: totalRows,
      totalRows,
      ...(pageToken && { pageToken }),
      ...(rows && { rows }),
    });
  };

  return [
    { method: "GET", path: root, operation: "datasets.list", handle: listDatasets },
    { method: "GET", path: `${root}/{dataset}/tables`, operation: "tables.list", handle: listTables },
    { method: "GET", path: `${root}/{dataset}/tables/{table}`, operation: "tables.get", handle: getTable },
    { method: "GET", path: `${root}/{dataset}/tables/{table}/data`, operation: "tabledata.list", handle: listRows },
  ];
}

function named({ dataset, table }: TableFacts, projectId: string | undefined): object {
  return { id: `${projectId}:${dataset}.${table}`, tableReference: { projectId, datasetId: dataset, tableId: table } };
}

function missing({ project, dataset, table }: Exchange["params"]): Refusal {
  return new Refusal(404, `Not found: Table ${project}:${dataset}.${table}`, "notFound");
}
