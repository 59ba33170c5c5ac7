// The gallery's state and its place in the address: everything one sees comes back from a copied link.
import { DEFAULT_SIZE, SIZES } from "../lib/paging";

export const AXES = ["axial", "coronal", "sagittal"] as const;
export type Axis = (typeof AXES)[number];

export interface Window {
  low: number;
  high: number;
}

/** In the place of a version: what is in none yet. */
export const NOT_SEALED = "working";

export interface GalleryState {
  namespace: string;
  name: string;
  /** Digest or its beginning, or NOT_SEALED; empty: the current version. */
  version: string;
  split: string;
  /** Canonical JSON of the label, "null" for samples without one; empty: all. */
  label: string;
  prefix: string;
  labelText: string;
  position: number;
  size: number;
  /** Row of the selected sample. */
  sample: number | null;
  expanded: boolean;
  axis: Axis;
  slice: number | null;
  window: Window | null;
}

export const EMPTY: GalleryState = {
  namespace: "",
  name: "",
  version: "",
  split: "",
  label: "",
  prefix: "",
  labelText: "",
  position: 0,
  size: DEFAULT_SIZE,
  sample: null,
  expanded: false,
  axis: "axial",
  slice: null,
  window: null,
};

function whole(text: string | null): number | null {
  return text !== null && /^\d{1,10}$/.test(text) ? Number(text) : null;
}

function real(text: string | null): number | null {
  const value = text === null || text.trim() === "" ? NaN : Number(text);
  return Number.isFinite(value) ? value : null;
}

/** Reads a query; what makes no sense counts as absent. */
export function parseState(query: URLSearchParams): GalleryState {
  const [namespace = "", name = ""] = (query.get("dataset") ?? "").split("/", 2);
  const size = whole(query.get("size"));
  const axis = query.get("axis");
  const low = real(query.get("low"));
  const high = real(query.get("high"));
  const sample = whole(query.get("sample"));
  return {
    namespace: name ? namespace : "",
    name,
    version: /^([0-9a-f]{16,64}|working)$/.test(query.get("version") ?? "") ? (query.get("version") as string) : "",
    split: query.get("split") ?? "",
    label: query.get("label") ?? "",
    prefix: query.get("prefix") ?? "",
    labelText: query.get("labelText") ?? "",
    position: whole(query.get("position")) ?? 0,
    size: SIZES.find((s) => s === size) ?? DEFAULT_SIZE,
    sample,
    expanded: sample !== null && query.get("expanded") === "1",
    axis: AXES.find((a) => a === axis) ?? "axial",
    slice: whole(query.get("slice")),
    window: low !== null && high !== null && low < high ? { low, high } : null,
  };
}

/** The query of a state; what is as usual is left out, so that links stay short. */
export function formatState(state: GalleryState): URLSearchParams {
  const query = new URLSearchParams();
  const put = (key: string, value: string | number | null, usual: string | number | null = ""): void => {
    if (value !== null && value !== usual) query.set(key, String(value));
  };
  if (state.name) put("dataset", `${state.namespace}/${state.name}`);
  put("version", state.version);
  put("split", state.split);
  put("label", state.label);
  put("prefix", state.prefix);
  put("labelText", state.labelText);
  put("size", state.size, DEFAULT_SIZE);
  put("position", state.position, 0);
  put("sample", state.sample);
  if (state.sample !== null && state.expanded) query.set("expanded", "1");
  put("axis", state.axis, "axial");
  put("slice", state.slice);
  if (state.window) {
    put("low", state.window.low);
    put("high", state.window.high);
  }
  return query;
}

const FILTERS = ["namespace", "name", "version", "split", "label", "prefix"] as const;

/** A state after a change: another filter starts at its first page without a selection, another data set without filters. */
export function change(state: GalleryState, patch: Partial<GalleryState>): GalleryState {
  const next = { ...state, ...patch };
  const moved = FILTERS.filter((key) => state[key] !== next[key]);
  if (moved.length === 0) return next;
  const other = moved.some((key) => key === "namespace" || key === "name");
  const base = other ? { ...EMPTY, size: state.size, namespace: next.namespace, name: next.name } : next;
  const cleared = { position: 0, sample: null, expanded: false, slice: null };
  return other ? { ...base, ...cleared, ...patch } : { ...base, ...cleared };
}

/** Address of the gallery of one data set. */
export function galleryQuery(namespace: string, name: string, patch: Partial<GalleryState> = {}): URLSearchParams {
  return formatState({ ...EMPTY, namespace, name, ...patch });
}
