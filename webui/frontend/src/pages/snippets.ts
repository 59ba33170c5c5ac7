// Texts to copy: the same data set as YAML, for kubectl and for Python. Pure.
import type { Dataset, Json } from "../api";
import { toYaml } from "../lib/yaml";
import { API_VERSION, KIND, RESOURCE, REQUESTED_AT } from "../names";

export const EXAMPLE = toYaml({
  apiVersion: API_VERSION,
  kind: KIND,
  metadata: { name: "mnist" },
  spec: { displayName: "MNIST", source: { tfds: { name: "mnist" } } },
});

/** The object to apply elsewhere: name, namespace and spec, nothing that this cluster decided. */
export function asYaml(of: Dataset): string {
  return toYaml({
    apiVersion: API_VERSION,
    kind: KIND,
    metadata: { name: of.name, namespace: of.namespace },
    spec: of.spec as Json,
  });
}

export function asKubectl(of: Dataset): string {
  const at = `-n ${of.namespace}`;
  return [
    `kubectl ${at} get ${RESOURCE} ${of.name}`,
    `kubectl ${at} describe ${RESOURCE} ${of.name}`,
    `kubectl ${at} wait --for=condition=Ready ${RESOURCE}/${of.name} --timeout=10m`,
    `kubectl ${at} annotate ${RESOURCE} ${of.name} --overwrite ${REQUESTED_AT}=$(date -u +%FT%TZ)  # read the source again`,
    "",
  ].join("\n");
}

/** A Python text literal; the names come from Kubernetes and paths, and both may hold quotes. */
const literal = (text: string): string => JSON.stringify(text);

export function asPython(of: Dataset): string {
  const claim = of.volume?.claimName ?? "";
  const path = `/data/${of.volume?.path ?? ""}`.replace(/\/+$/, "");
  const split = of.splits[0]?.name;
  return [
    "import blueno",
    "",
    claim
      ? `# In a pod that mounts the claim ${claim.replace(/\s/g, " ")} at /data`
      : "# In a pod that mounts the data set's claim at /data",
    `ds = blueno.open_dataset(${literal(path)})`,
    ...(of.version ? [`assert ds.digest == ${literal(of.version.digest)}`] : []),
    "ds[0].image, ds[0].label",
    ...(split ? [`ds.split(${literal(split)}).batch(range(${Math.min(256, of.splits[0]?.samples ?? 256)}))`] : []),
    "",
  ].join("\n");
}
