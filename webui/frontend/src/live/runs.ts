// Training runs as a live list.
import type { RunSummary } from "../api-runs";
import { listRuns } from "../endpoints-runs";
import { RUN_KIND } from "../names";
import { useLiveList, type LiveKind, type LiveList } from "./list";
import { contains } from "./rows";

export interface RunFilter {
  namespace: string;
  text: string;
  /** Name of a data set that the run uses. */
  dataset: string;
  state: string;
}

export const RUNS: LiveKind<RunSummary, RunFilter> = {
  kind: RUN_KIND,
  /** Newest first, as the server; those of one moment by uid, so that the order is always the same. */
  compare: (a, b) => {
    const moments = Date.parse(b.createdAt) - Date.parse(a.createdAt);
    if (moments) return moments;
    return a.uid === b.uid ? 0 : a.uid > b.uid ? -1 : 1;
  },
  matches: (row, { namespace, text, dataset, state }) =>
    (!namespace || row.namespace === namespace) &&
    (!state || row.state === state) &&
    (!dataset || row.datasets.some((one) => one.name === dataset)) &&
    contains(text, row.name),
  query: ({ namespace, text, dataset, state }) => ({ namespace, q: text, dataset, state }),
  list: listRuns,
};

export const useRuns = (filter: RunFilter): LiveList<RunSummary> => useLiveList(RUNS, filter);
