// One function for each thing the API answers about training runs; the same habits as endpoints.ts.
import type { HistoryEntry, Listing } from "./api";
import type { LogText, Metrics, OutputEntry, Run, RunSummary } from "./api-runs";
import { apiUrl, json, send, type Query } from "./client";
import type { Fetching, Named } from "./endpoints";

const at = (of: Named): string => `/trainingruns/${encodeURIComponent(of.namespace)}/${encodeURIComponent(of.name)}`;

export const listRuns = (query: Query, how: Fetching = {}): Promise<Listing<RunSummary>> =>
  json("/trainingruns", { ...how, query });
/** Runs that used a data set, any version of it, newest first. */
export const listRunsOf = (of: Named, query: Query, how: Fetching = {}): Promise<Listing<RunSummary>> =>
  json(`/datasets/${encodeURIComponent(of.namespace)}/${encodeURIComponent(of.name)}/runs`, { ...how, query });

/** A run, also one that was deleted in the last days: a header says so. */
export async function getRun(of: Named, how: Fetching = {}): Promise<Run> {
  const answer = await send(apiUrl(at(of)), how);
  return { ...((await answer.json()) as Run), deletedAt: answer.headers.get("Blueno-Deleted-At") };
}

export const listRunHistory = (of: Named, query: Query, how: Fetching = {}): Promise<Listing<HistoryEntry>> =>
  json(`${at(of)}/history`, { ...how, query });
export const getMetrics = (of: Named, query: Query, how: Fetching = {}): Promise<Metrics> =>
  json(`${at(of)}/metrics`, { ...how, query });
export const getLog = (of: Named, query: Query, how: Fetching = {}): Promise<LogText> =>
  json(`${at(of)}/logs`, { ...how, query });
export const rawLogUrl = (of: Named, query: Query): string => apiUrl(`${at(of)}/logs/raw`, query);
export const listOutputs = (of: Named, query: Query, how: Fetching = {}): Promise<Listing<OutputEntry>> =>
  json(`${at(of)}/outputs`, { ...how, query });
/** A file, or with `tar` a directory as an archive. */
export const outputUrl = (of: Named, path: string, what: "raw" | "tar"): string =>
  apiUrl(`${at(of)}/outputs/${what}`, { path });
export const changeRun = (of: Named, body: { suspend?: boolean; cancel?: boolean }): Promise<unknown> =>
  json(at(of), { method: "PATCH", body });
export const deleteRun = (of: Named): Promise<void> => json(at(of), { method: "DELETE" });
