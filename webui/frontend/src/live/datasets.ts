// Data sets as a live list.
import type { DatasetSummary } from "../api";
import { listDatasets } from "../endpoints";
import { KIND } from "../names";
import { useLiveList, type LiveKind, type LiveList } from "./list";
import { contains } from "./rows";

export interface DatasetFilter {
  namespace: string;
  text: string;
}

export const DATASETS: LiveKind<DatasetSummary, DatasetFilter> = {
  kind: KIND,
  /** As the server orders them: by namespace, then name, by code points. */
  compare: (a, b) => {
    if (a.namespace !== b.namespace) return a.namespace < b.namespace ? -1 : 1;
    return a.name === b.name ? 0 : a.name < b.name ? -1 : 1;
  },
  /** As the server's filter: a literal part of the name or display name in any case. */
  matches: (row, { namespace, text }) =>
    (!namespace || row.namespace === namespace) && contains(text, row.name, row.displayName),
  query: ({ namespace, text }) => ({ namespace, q: text }),
  list: listDatasets,
};

export const useDatasets = (filter: DatasetFilter): LiveList<DatasetSummary> => useLiveList(DATASETS, filter);
