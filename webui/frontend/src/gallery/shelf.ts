// Where the gallery's samples stand: a sealed version, or what is not sealed yet. The rest of the gallery does not care.
import type { About, Facets, Sample } from "../api";
import type { WorkingRow } from "../api-working";
import type { Query } from "../client";
import {
  getAbout,
  getFacets,
  getSample,
  imageUrl,
  listSamples,
  rawUrl,
  sheetUrl,
  type Fetching,
  type Named,
} from "../endpoints";
import { getWorkingAbout, getWorkingFacets, getWorkingRow, listWorking, workingUrl } from "../endpoints-working";
import { rowRanges } from "../lib/paging";

export interface Filters {
  split: string;
  label: string;
  prefix: string;
}

/** A sample as it is shown. One that is not sealed yet was not looked into: its size is known when `about` is. */
export interface Shown extends Sample {
  unsealed?: { etag: string; time: string; by: string };
}

export interface ShownPage {
  items: Shown[];
  total: number;
  position: number;
  next: string | null;
  previous: string | null;
  shelf: Shelf;
}

export interface Shelf {
  /** Names what is answered here. */
  key: string;
  /** Answers may be others a moment later. */
  live: boolean;
  facets: (filters: Filters, labelText: string, how: Fetching) => Promise<Facets>;
  page: (filters: Filters, page: Query, how: Fetching) => Promise<ShownPage>;
  one: (row: number, how: Fetching) => Promise<Shown>;
  about: (sample: Shown, how: Fetching) => Promise<About>;
  sheet: (items: readonly Shown[], query: Query) => string;
  image: (sample: Shown, query: Query) => string;
  raw: (sample: Shown) => string;
}

/** The samples of a version. */
export function versionShelf(of: Named, version: string): Shelf {
  const shelf: Shelf = {
    key: `${of.namespace}/${of.name} ${version}`,
    live: false,
    facets: (filters, labelText, how) => getFacets(of, { version, ...filters }, labelText, how),
    page: async (filters, page, how) => {
      const found = await listSamples(of, { version, ...filters }, page, how);
      return { ...found, shelf };
    },
    one: (row, how) => getSample(of, version, row, how),
    about: (sample, how) => getAbout(of, version, sample.row, how),
    sheet: (items, query) => sheetUrl(of, { version, rows: rowRanges(items.map((one) => one.row)), ...query }),
    image: (sample, query) => imageUrl(of, sample.row, { version, ...query }),
    raw: (sample) => rawUrl(of, version, sample.row),
  };
  return shelf;
}

/** What was written after a revision, such as that of the newest version. */
export function workingShelf(of: Named, after: number): Shelf {
  const named = (sample: Shown): Query => ({ key: sample.key, sha256: sample.sha256 });
  const shelf: Shelf = {
    key: `${of.namespace}/${of.name} not sealed ${after}`,
    live: true,
    facets: (filters, labelText, how) => getWorkingFacets(of, { after, ...filters, labelText }, how),
    page: async (filters, page, how) => {
      const { samples, ...rest } = await listWorking(of, { after, ...filters, ...page }, how);
      return { ...rest, items: samples.map(shownRow), previous: null, shelf };
    },
    one: async (row, how) => shownRow(await getWorkingRow(of, row, how)),
    about: (sample, how) => getWorkingAbout(of, named(sample), how),
    sheet: (items, query) => workingUrl(of, "sheet", { seqs: items.map((one) => one.row).join(","), ...query }),
    image: (sample, query) => workingUrl(of, "image", { ...named(sample), ...query }),
    raw: (sample) => workingUrl(of, "raw", named(sample)),
  };
  return shelf;
}

/** A row of the working set as a sample; the number of its line stands for the row. */
export function shownRow(row: WorkingRow): Shown {
  const { seq, etag, time, by, split, ...rest } = row;
  const unknown = { width: 0, height: 0, depth: 0, channels: 0, dtype: "", format: "" };
  return { ...rest, ...unknown, split: split ?? "", idx: seq, row: seq, unsealed: { etag, time, by } };
}

const MOST_CHANNELS = 4;

/** With the size that `about` tells. As the data server has it: three numbers are a volume unless the last can only be
 * channels. */
export function sized(sample: Shown, about: About | undefined): Shown {
  if (!sample.unsealed || !about) return sample;
  const volume = about.shape.length === 4 || (about.shape.length === 3 && (about.shape[2] ?? 0) > MOST_CHANNELS);
  const [depth = 1, height = 1, width = 1, channels = 1] = volume ? about.shape : [1, ...about.shape];
  return { ...sample, width, height, depth, channels, dtype: about.dtype };
}
