import { type AssetSpec, canonicalText } from "@holdfast/protocol";
import { consumedAssets } from "./consuming.ts";
import { type AssetData, type DefinitionData, definitionData } from "./definition.ts";
import type { ProblemList } from "./problem-list.ts";
import type { StandardSchema } from "./standard-schema.ts";

// What manifests say of assets.

/** The schemas of an asset that its manifest has. */
export const assetSchemas = ["watermark", "event"] as const;

/** Every asset that a definition reads, writes, or whose events start it. */
export function assetsOf(data: DefinitionData): DefinitionData[] {
  if (data.kind === "asset") return [];
  const { reads = [], writes = [] } = data.kind === "task" ? data.options : {};
  const all: unknown[] = [reads, writes].flat();
  const named = all.map(definitionData).filter((item) => item !== undefined && item.kind === "asset");
  return [...named, ...consumedAssets(data)];
}

/** The ids of `reads` and `writes`. */
export function assetIds(assets: unknown): string[] {
  const list: unknown[] = Array.isArray(assets) ? assets : [];
  const ids = list.map((item) => definitionData(item)?.id).filter((id) => id !== undefined);
  return [...new Set(ids)].sort();
}

/** `json`: the JSON Schema that was read of a schema. */
export function assetSpec(
  { id, options }: AssetData & { readonly id: string },
  json: (schema: StandardSchema | undefined) => AssetSpec["watermark"],
): AssetSpec {
  const schemas = Object.fromEntries(
    assetSchemas.flatMap((name) => {
      const schema = json(options[name]);
      return schema === undefined ? [] : [[name, schema]];
    }),
  );
  return { id, ...(options.uri === undefined ? {} : { uri: options.uri }), ...schemas };
}

/** Adds what a manifest says of the assets that `user` uses. */
export function addAssets(
  assets: Record<string, AssetSpec>,
  user: DefinitionData,
  { problems, specOf }: { readonly problems: ProblemList; readonly specOf: (asset: DefinitionData) => AssetSpec },
): void {
  for (const asset of assetsOf(user)) {
    const spec = specOf(asset);
    const known = Object.hasOwn(assets, asset.id) ? assets[asset.id] : undefined;
    if (known !== undefined && canonicalText(known) !== canonicalText(spec)) {
      const at = asset.position ?? user.position;
      problems.add(at, `asset "${asset.id}" is declared twice, differently.`, "Declare it once and import it.");
    }
    assets[asset.id] = spec;
  }
}

/** Two assets of a project that have one URI would be one. */
export function checkUris(assets: Iterable<DefinitionData>, problems: ProblemList): void {
  const known = new Map<string, string>();
  for (const asset of assets) {
    const uri = asset.kind === "asset" ? asset.options.uri : undefined;
    if (uri === undefined) continue;
    const other = known.get(uri);
    known.set(uri, asset.id);
    if (other === undefined || other === asset.id) continue;
    problems.add(
      asset.position,
      `asset "${asset.id}": the asset "${other}" has the same "uri".`,
      "A URI names one asset: declare it once and import it.",
    );
  }
}
