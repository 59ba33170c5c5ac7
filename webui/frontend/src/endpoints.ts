// One function for each thing the API answers. Names in paths are encoded here and nowhere else.
import type {
  About,
  Dataset,
  DatasetSummary,
  Facets,
  HistoryEntry,
  Listing,
  NewToken,
  Sample,
  SamplePage,
  Session,
  Token,
  User,
  Versions,
} from "./api";
import { apiUrl, json, type Query, type RequestOptions, type Waiting } from "./client";

export interface Fetching {
  signal?: AbortSignal | undefined;
  onWaiting?: ((waiting: Waiting | null) => void) | undefined;
}

const at = (namespace: string, name: string): string =>
  `/datasets/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;

const get = <T>(path: string, query: Query | undefined, how: Fetching): Promise<T> => json<T>(path, { ...how, query });
const post = <T>(path: string, body: unknown, more: RequestOptions = {}): Promise<T> =>
  json<T>(path, { ...more, method: "POST", body });

/** A data set's address, as the API and this application have it. */
export interface Named {
  namespace: string;
  name: string;
}

/** Which samples of a data set: the parameters of facets and pages. */
export interface Filters {
  version: string;
  split: string;
  label: string;
  prefix: string;
}

export const getSetup = (how: Fetching = {}): Promise<{ needed: boolean }> => get("/setup", undefined, how);
export const setUp = (body: { code: string; email: string; password: string }): Promise<Session> =>
  post("/setup", body);
export const logIn = (body: { email: string; password: string }): Promise<Session> => post("/login", body);

export const listDatasets = (query: Query, how: Fetching = {}): Promise<Listing<DatasetSummary>> =>
  get("/datasets", query, how);
export const getDataset = (of: Named, how: Fetching = {}): Promise<Dataset> =>
  get(at(of.namespace, of.name), undefined, how);
export const listVersions = (of: Named, how: Fetching = {}): Promise<Versions> =>
  get(`${at(of.namespace, of.name)}/versions`, undefined, how);
export const listHistory = (of: Named, query: Query, how: Fetching = {}): Promise<Listing<HistoryEntry>> =>
  get(`${at(of.namespace, of.name)}/history`, query, how);
export const getFacets = (of: Named, filters: Filters, labelText: string, how: Fetching = {}): Promise<Facets> =>
  get(`${at(of.namespace, of.name)}/facets`, { ...filters, labelText }, how);
export const listSamples = (of: Named, filters: Filters, page: Query, how: Fetching = {}): Promise<SamplePage> =>
  get(`${at(of.namespace, of.name)}/samples`, { ...filters, ...page }, how);
export const getSample = (of: Named, version: string, row: number, how: Fetching = {}): Promise<Sample> =>
  get(`${at(of.namespace, of.name)}/samples/${row}`, { version }, how);
export const getAbout = (of: Named, version: string, row: number, how: Fetching = {}): Promise<About> =>
  get(`${at(of.namespace, of.name)}/samples/${row}/about`, { version }, how);

export const sheetUrl = (of: Named, query: Query): string => apiUrl(`${at(of.namespace, of.name)}/sheet`, query);
export const imageUrl = (of: Named, row: number, query: Query): string =>
  apiUrl(`${at(of.namespace, of.name)}/samples/${row}/image`, query);
export const rawUrl = (of: Named, version: string, row: number): string =>
  apiUrl(`${at(of.namespace, of.name)}/samples/${row}/raw`, { version });

const user = (email: string): string => `/users/${encodeURIComponent(email)}`;

export const listUsers = (how: Fetching = {}): Promise<Listing<User>> => get("/users", undefined, how);
export const createUser = (body: Omit<User, "createdAt"> & { password: string }): Promise<User> => post("/users", body);
export const deleteUser = (email: string): Promise<void> => json(user(email), { method: "DELETE" });
export const setPassword = (email: string, password: string): Promise<void> =>
  post(`${user(email)}/password`, { password });

export const listTokens = (how: Fetching = {}): Promise<Listing<Token>> => get("/tokens", undefined, how);
export const createToken = (body: { name: string; expiresInDays: number | null }): Promise<NewToken> =>
  post("/tokens", body);
export const deleteToken = (id: number): Promise<void> => json(`/tokens/${id}`, { method: "DELETE" });
