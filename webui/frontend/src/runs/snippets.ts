// Texts to copy: the same training run as YAML, for kubectl and for Python. Pure.
import type { Json } from "../api";
import type { Run } from "../api-runs";
import { toYaml } from "../lib/yaml";
import { API_VERSION, RUN_KIND, RUN_LABEL, RUN_RESOURCE } from "../names";

export const EXAMPLE = toYaml({
  apiVersion: API_VERSION,
  kind: RUN_KIND,
  metadata: { name: "mnist-1", namespace: "default" },
  spec: {
    image: "registry.example.org/team/train:1",
    command: ["python", "train.py"],
    parameters: { lr: "0.001", epochs: "5" },
    datasets: [{ name: "mnist" }],
    gpus: { count: 1 },
    metrics: { stdout: true, objective: { name: "accuracy", direction: "maximize" } },
  },
});

// How this one is handled at the moment is not part of what it computes.
const OF_THE_MOMENT = new Set(["suspend", "cancel"]);

function specOf(run: Run): { [key: string]: Json } {
  const spec = run.spec;
  if (spec === null || typeof spec !== "object" || Array.isArray(spec)) return {};
  return Object.fromEntries(Object.entries(spec).filter(([key]) => !OF_THE_MOMENT.has(key)));
}

/** The object to apply again, under the name given: a run runs once. */
export function asYaml(run: Run): string {
  return toYaml({
    apiVersion: API_VERSION,
    kind: RUN_KIND,
    metadata: { name: run.name, namespace: run.namespace },
    spec: specOf(run),
  });
}

export function asKubectl(run: Run): string {
  const at = `-n ${run.namespace}`;
  const merge = (patch: string): string => `kubectl ${at} patch ${RUN_RESOURCE} ${run.name} --type=merge -p '${patch}'`;
  return [
    `kubectl ${at} get ${RUN_RESOURCE} ${run.name}`,
    `kubectl ${at} describe ${RUN_RESOURCE} ${run.name}`,
    `kubectl ${at} wait --for=condition=Succeeded ${RUN_RESOURCE}/${run.name} --timeout=24h`,
    `kubectl ${at} logs -f -l ${RUN_LABEL}=${run.name} --all-containers`,
    merge('{"spec":{"suspend":true}}'),
    merge('{"spec":{"suspend":false}}'),
    "",
  ].join("\n");
}

/** A Python text literal: names come from Kubernetes, the server's address from the browser. */
const literal = (text: string): string => JSON.stringify(text);

export function asPython(run: Run, server: string): string {
  return [
    "import blueno",
    "",
    `with blueno.Client(${literal(server)}) as client:  # token: blueno login, or BLUENO_TOKEN`,
    `    run = client.runs.get(${literal(run.name)}, namespace=${literal(run.namespace)})`,
    "    print(run.state, run.reason, run.message)",
    "",
  ].join("\n");
}
