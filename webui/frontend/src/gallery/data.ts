// What the gallery fetches, in the order in which one thing names the next: versions, then facets and a page.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Dataset, Facets, Version, Versions } from "../api";
import type { Working } from "../api-working";
import { Problem } from "../client";
import { getDataset, listVersions, type Named } from "../endpoints";
import { useSettled } from "../lib/hooks";
import { useQuery, type QueryResult } from "../lib/query";
import { onChanges } from "../live/connect";
import { changesOf, useRevision } from "../live/revision";
import { KIND } from "../names";
import { versionShelf, workingShelf, type Filters, type Shelf, type ShownPage } from "./shelf";
import { NOT_SEALED, type GalleryState } from "./state";

export interface Chosen {
  detail: QueryResult<Dataset>;
  versions: QueryResult<Versions>;
  working: Working | null;
  /** Where the samples stand that are shown. */
  shelf: Shelf | null;
  /** The version that is shown; null while there is none, or when what is not sealed is shown. */
  version: Version | null;
  /** A newer current version than the one that is shown, though the address asks for the current one. */
  newer: Version | null;
  /** Show the newer one. */
  advance: () => void;
  filters: Filters;
}

const REFETCH_AFTER = 1000;

/** The data set and the version that the address names. A page that is looked at does not change under one's eyes: a
 * version that becomes current meanwhile is offered. */
export function useChosen(state: GalleryState): Chosen {
  const of: Named = { namespace: state.namespace, name: state.name };
  const at = state.name ? `${of.namespace}/${of.name}` : null;
  const detail = useQuery(at && `dataset ${at}`, (how) => getDataset(of, how), { fresh: true });
  const versions = useQuery(at && `versions ${at}`, (how) => listVersions(of, how), { fresh: true });
  const [pinned, setPinned] = useState<{ at: string; digest: string } | null>(null);
  const items = versions.data?.items ?? [];
  const current = items.find((version) => version.current) ?? items[0] ?? null;
  const working = versions.data?.working ?? null;
  const kept = pinned && pinned.at === at && (working || pinned.digest !== NOT_SEALED) ? pinned.digest : "";
  const wanted = state.version || kept;
  // Before the first seal there is nothing else to look at.
  const unsealed = wanted === NOT_SEALED || (!wanted && !current && working !== null && working.samples > 0);
  const found = wanted ? (items.find((one) => one.digest.startsWith(wanted)) ?? null) : current;
  const version = unsealed ? null : found;
  const after = unsealed && working ? working.sealedRevision : null;
  const shelf = useMemo(() => {
    if (after !== null) return workingShelf(of, after);
    return version ? versionShelf(of, version.digest) : null;
  }, [at, version?.digest, after]);

  useEffect(() => {
    const shown = unsealed ? NOT_SEALED : version?.digest;
    if (at && shown && !state.version) setPinned({ at, digest: shown });
  }, [at, version?.digest, unsealed, state.version]);

  useEffect(() => {
    let timer = 0;
    const stop = onChanges((batch) => {
      const mine = batch.reset || [...batch.changes.values()].some((one) => `${one.namespace}/${one.name}` === at);
      if (!mine || timer) return;
      timer = window.setTimeout(() => {
        timer = 0;
        detail.reload();
        versions.reload();
      }, REFETCH_AFTER);
    });
    return () => {
      stop();
      window.clearTimeout(timer);
    };
  }, [at]);

  const filters = { split: state.split, label: state.label, prefix: state.prefix };
  const newer = !state.version && version && current && current.digest !== version.digest ? current : null;
  return { detail, versions, working, shelf, version, newer, advance: () => setPinned(null), filters };
}

function filterKey(of: Named, shelf: Shelf | null, filters: Filters): string {
  return JSON.stringify([of.namespace, of.name, shelf?.key, filters.split, filters.label, filters.prefix]);
}

/** Asks again as samples come and go, where they do. What is shown stays until the answer is there. */
export function useLiveShelf(of: Named, shelf: Shelf | null, ...queries: { reload: () => void }[]): void {
  const mine = changesOf(KIND, of);
  useRevision(
    (change) => Boolean(shelf?.live) && mine(change),
    () => shelf?.live && queries.forEach((query) => query.reload()),
  );
}

export function useFacets(of: Named, shelf: Shelf | null, filters: Filters, labelText: string): QueryResult<Facets> {
  const text = useSettled(labelText, 200);
  const key = shelf ? `facets ${filterKey(of, shelf, filters)} ${text}` : null;
  return useQuery(key, (how) => (shelf as Shelf).facets(filters, text, how), { immutable: !shelf?.live });
}

/** The page at a position. The cursors of the page before are used where they fit, positions everywhere else. */
export function useSamples(
  of: Named,
  shelf: Shelf | null,
  filters: Filters,
  position: number,
  size: number,
): QueryResult<ShownPage> {
  const base = filterKey(of, shelf, filters);
  const cursors = useRef(new Map<string, string>());
  const key = shelf ? `samples ${base} ${position} ${size}` : null;
  // A cursor goes on after a sample: where samples come and go, a page is what stands at its position.
  const steady = shelf !== null && !shelf.live;
  const result = useQuery(
    key,
    async (how) => {
      const cursor = cursors.current.get(key as string);
      if (cursor) {
        try {
          return await (shelf as Shelf).page(filters, { limit: size, cursor }, how);
        } catch (error) {
          // A cursor that is no longer accepted is no reason to stop: the position means the same.
          if (!(error instanceof Problem) || error.status < 400 || error.status >= 500 || error.status === 401)
            throw error;
          cursors.current.delete(key as string);
        }
      }
      return (shelf as Shelf).page(filters, { limit: size, position }, how);
    },
    { immutable: steady },
  );
  const page = result.outdated ? undefined : result.data;
  useEffect(() => {
    if (!page) return;
    cursors.current.clear();
    if (!steady) return;
    const after = page.position + page.items.length;
    if (page.next) cursors.current.set(`samples ${base} ${after} ${size}`, page.next);
    // The page before this one is whole only where a whole page fits.
    if (page.previous && page.position >= size)
      cursors.current.set(`samples ${base} ${page.position - size} ${size}`, page.previous);
  }, [page, base, size]);
  return result;
}
