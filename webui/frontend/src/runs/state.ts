// What a run's page shows, in its address: compared runs, drawn metrics, axis, part of the log, directory of its files.
import { MOST_COMPARED } from "./compare";
import type { Axis } from "./series";

export interface RunView {
  /** Names of other runs in the same namespace. */
  compare: string[];
  metrics: string[];
  axis: Axis | null;
  /** A logarithmic scale for values. */
  log: boolean;
  attempt: number | null;
  pod: string;
  /** The directory of its outputs that is open, "" for its own; null while none is. */
  files: string | null;
}

const list = (text: string | null): string[] => [...new Set((text ?? "").split(",").filter(Boolean))];

export function parseView(query: URLSearchParams, own: string): RunView {
  const axis = query.get("axis");
  const attempt = query.get("attempt") ?? "";
  return {
    compare: list(query.get("compare"))
      .filter((name) => name !== own)
      .slice(0, MOST_COMPARED),
    metrics: [...new Set(query.getAll("metric").filter(Boolean))],
    axis: axis === "step" || axis === "time" ? axis : null,
    log: query.get("scale") === "log",
    attempt: /^\d{1,9}$/.test(attempt) ? Number(attempt) : null,
    pod: query.get("pod") ?? "",
    files: query.get("files")?.replace(/^\/+|\/+$/g, "") ?? null,
  };
}

/** The query of a view; what is as usual is left out, so that links stay short. */
export function formatView(view: RunView): URLSearchParams {
  const query = new URLSearchParams();
  if (view.compare.length) query.set("compare", view.compare.join(","));
  for (const name of view.metrics) query.append("metric", name); // a name may hold a comma
  if (view.axis) query.set("axis", view.axis);
  if (view.log) query.set("scale", "log");
  if (view.attempt !== null) query.set("attempt", String(view.attempt));
  if (view.pod) query.set("pod", view.pod);
  if (view.files !== null) query.set("files", view.files || "/");
  return query;
}

/** The way down to `path`: each directory with the address of its own. */
export function crumbs(path: string): { name: string; path: string }[] {
  const names = path.split("/").filter(Boolean);
  return names.map((name, at) => ({ name, path: names.slice(0, at + 1).join("/") }));
}
