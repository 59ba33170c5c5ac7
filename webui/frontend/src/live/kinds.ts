// The two kinds of object that lists show: how the server orders and filters them. Pure but for the addresses;
// live/list.ts makes live lists of them.
import type { DatasetSummary, Listing } from "../api";
import type { RunSummary } from "../api-runs";
import type { Query } from "../client";
import { listDatasets, type Fetching } from "../endpoints";
import { listRuns } from "../endpoints-runs";
import { KIND, RUN_KIND } from "../names";
import { contains, type Listed, type ListKind } from "./rows";

/** A kind with the address of its list. */
export interface LiveKind<Row extends Listed, Filter> extends ListKind<Row, Filter> {
  /** The server's parameters of a filter. */
  query: (filter: Filter) => Query;
  list: (query: Query, how: Fetching) => Promise<Listing<Row>>;
}

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
