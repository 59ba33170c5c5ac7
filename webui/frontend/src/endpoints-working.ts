// One function for each thing the API answers about working sets.
import type { About, Facets } from "./api";
import type { WorkingPage, WorkingRow } from "./api-working";
import { apiUrl, json, type Query } from "./client";
import type { Fetching, Named } from "./endpoints";

const at = (of: Named): string => `/datasets/${encodeURIComponent(of.namespace)}/${encodeURIComponent(of.name)}`;
const below = (of: Named, what: string): string => `${at(of)}/working${what}`;

export const listWorking = (of: Named, query: Query, how: Fetching = {}): Promise<WorkingPage> =>
  json(below(of, ""), { ...how, query });
export const getWorkingFacets = (of: Named, query: Query, how: Fetching = {}): Promise<Facets> =>
  json(below(of, "/facets"), { ...how, query });
export const getWorkingRow = (of: Named, seq: number, how: Fetching = {}): Promise<WorkingRow> =>
  json(below(of, `/samples/${seq}`), how);
export const getWorkingAbout = (of: Named, query: Query, how: Fetching = {}): Promise<About> =>
  json(below(of, "/about"), { ...how, query });
export const workingUrl = (of: Named, what: "sheet" | "image" | "raw", query: Query): string =>
  apiUrl(below(of, `/${what}`), query);

/** Asks for a new version of what is in the working set. */
export const requestSeal = (of: Named): Promise<{ requestedAt: string }> =>
  json(`${at(of)}/requests`, { method: "POST", body: { kind: "seal" } });
