// What differs between runs: settings and results side by side. Pure; shown by runs/differences.tsx.
import type { Json } from "../api";
import type { Run } from "../api-runs";
import { hoursText, metricText } from "./words";

export interface Difference {
  /** As the spec says it: "parameters.lr", "args[2]". */
  key: string;
  /** One value for each run; null where a run has none. */
  values: (string | null)[];
  differs: boolean;
}

/** How many runs can be seen beside the page's own. */
export const MOST_COMPARED = 5;
const MOST_KEYS = 500;

// Said elsewhere in words of their own, or about how a run is handled and not about what it computes.
const LEFT_OUT = new Set(["suspend", "cancel", "ttlSecondsAfterFinished"]);

function flatten(value: Json, key: string, into: Map<string, string>): void {
  if (into.size >= MOST_KEYS) return;
  if (value === null || typeof value !== "object") into.set(key, typeof value === "string" ? value : String(value));
  else if (Array.isArray(value)) {
    value.forEach((item, i) => flatten(item, `${key}[${nameOf(item) ?? i}]`, into));
  } else {
    for (const [name, item] of Object.entries(value)) flatten(item, key ? `${key}.${name}` : name, into);
  }
}

/** Lists of named things (env, data sets, tolerations) are compared by name and not by place. */
function nameOf(item: Json): string | null {
  if (item === null || typeof item !== "object" || Array.isArray(item)) return null;
  return typeof item.name === "string" ? item.name : null;
}

/** All settings of a run by their place in the spec, with what the cluster pinned. */
export function settingsOf(run: Run): Map<string, string> {
  const found = new Map<string, string>();
  if (run.imageDigest) found.set("image digest", run.imageDigest);
  if (run.codeRevision) found.set("code revision", run.codeRevision);
  for (const one of run.datasets) if (one.digest) found.set(`version of ${one.name}`, one.digest.slice(0, 12));
  const spec = run.spec;
  if (spec !== null && typeof spec === "object" && !Array.isArray(spec)) {
    for (const [name, item] of Object.entries(spec)) if (!LEFT_OUT.has(name)) flatten(item, name, found);
  }
  return found;
}

/** Results of a run: last metrics and what it cost. */
export function resultsOf(run: Run): Map<string, string> {
  const found = new Map<string, string>(run.metrics.map((one) => [one.name, metricText(one.value)]));
  found.set("status", run.reason);
  if (run.gpuSeconds) found.set("GPU hours", hoursText(run.gpuSeconds));
  return found;
}

// What people change most from run to run stands first.
const ORDER = [/^parameters\b/, /^version of /, /^args\b/, /^command\b/, /^image/, /^code/];

function rank(key: string): number {
  const at = ORDER.findIndex((pattern) => pattern.test(key));
  return at < 0 ? ORDER.length : at;
}

/** Rows of a table with a column for each run. */
export function differences(of: readonly ReadonlyMap<string, string>[], ordered = true): Difference[] {
  const keys = [...new Set(of.flatMap((one) => [...one.keys()]))];
  if (ordered) keys.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  return keys.map((key) => {
    const values = of.map((one) => one.get(key) ?? null);
    return { key, values, differs: new Set(values).size > 1 };
  });
}
