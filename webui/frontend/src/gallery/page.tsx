// The gallery: filters on the left, samples in the middle, the chosen one on the right. The address holds all of it.
import type { JSX } from "preact";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useLatest, useTitle } from "../lib/hooks";
import { useKeys } from "../lib/keys";
import { pageCount, pageStart, pageStep } from "../lib/paging";
import { useQuery, type QueryResult } from "../lib/query";
import { useStore } from "../lib/store";
import { href, location, navigate } from "../router";
import { ErrorNote, WaitingNote } from "../ui/errors";
import { Icon } from "../ui/icons";
import { Viewer } from "../viewer/viewer";
import { Newer, NoVersion, Skeleton, Unchosen } from "./absent";
import { useChosen, useFacets, useLiveShelf, useSamples, type Chosen } from "./data";
import { Grid } from "./grid";
import { Info, NothingChosen } from "./info";
import { NotSealed } from "./not-sealed";
import { useSelection } from "./selection";
import { Pager } from "./pager";
import { Picker } from "./picker";
import type { Shelf, Shown, ShownPage } from "./shelf";
import { Sidebar } from "./sidebar";
import { change, formatState, parseState, type GalleryState } from "./state";

/** The state in the address and how to change it. Moves that one wants to take back are entries in the history. */
function useGalleryState(): { state: GalleryState; set: (patch: Partial<GalleryState>, replace?: boolean) => void } {
  const { query } = useStore(location);
  const state = useMemo(() => parseState(query), [query]);
  const set = useCallback((patch: Partial<GalleryState>, replace = false) => {
    const now = parseState(location.get().query);
    navigate(href("/gallery", formatState(change(now, patch))), { replace });
  }, []);
  return { state, set };
}

export function GalleryPage(): JSX.Element {
  const { state, set } = useGalleryState();
  useTitle(state.name ? `${state.name} · Gallery` : "Gallery");
  if (!state.name) return <Unchosen />;
  return <Gallery key={`${state.namespace}/${state.name}`} state={state} set={set} />;
}

function Gallery({ state, set }: ReturnType<typeof useGalleryState>): JSX.Element {
  const of = { namespace: state.namespace, name: state.name };
  const chosen = useChosen(state);
  const { shelf, version } = chosen;
  const facets = useFacets(of, shelf, chosen.filters, state.labelText);
  const samples = useSamples(of, shelf, chosen.filters, state.position, state.size);
  useLiveShelf(of, shelf, chosen.versions, facets, samples);
  const [columns, setColumns] = useState(1);
  const [filtersOpen, setFiltersOpen] = useState(false);
  const prefixField = useRef<HTMLInputElement>(null);
  const page = samples.data;
  const items = page?.items ?? [];
  const total = page?.total ?? 0;

  // A link to a page that is not there (another page size, fewer samples): the last one.
  useEffect(() => {
    if (page && !samples.outdated && page.items.length === 0 && page.total > 0 && state.position > 0) {
      set({ position: pageStart(pageCount(page.total, state.size), page.total, state.size) }, true);
    }
  }, [page, samples.outdated]);

  const go = (position: number): void => set({ position, sample: null, expanded: false });
  const selection = useSelection({ state, set, items, total, columns, settled: !samples.outdated && !samples.loading });
  const here = items.find((one) => one.row === state.sample);
  const alone = useQuery(
    state.sample !== null && !here && shelf && !samples.loading ? `sample ${shelf.key} ${state.sample}` : null,
    (how) => (shelf as Shelf).one(state.sample as number, how),
    { immutable: true, fresh: true },
  );
  const { sample, place } = useKept(
    state.sample,
    here ?? alone.data ?? null,
    here ? { number: state.position + items.indexOf(here) + 1, total } : null,
  );

  // A key that is held down turns pages as fast as they arrive; each press of its own counts.
  const flip = (step: -1 | 1, event: KeyboardEvent): void => {
    const position = samples.loading && event.repeat ? null : pageStep(state.position, total, state.size, step);
    if (position !== null) go(position);
  };
  useKeys({
    "/": () => {
      prefixField.current?.focus(); // at once: the next key is already text
      setFiltersOpen(true);
      window.setTimeout(() => prefixField.current?.focus()); // on a phone it was hidden until now
    },
    n: (event) => flip(1, event),
    p: (event) => flip(-1, event),
    ...selection.keys,
  });
  const latest = useLatest(selection);
  const choose = useCallback((row: number) => latest.current.choose(row), []);
  const detail = chosen.detail.data;
  return (
    <div class={sample ? "gallery with-info" : "gallery"}>
      <h1 class="hidden-text">Gallery of {detail?.displayName || `${state.namespace}/${state.name}`}</h1>
      <aside class="side" aria-label="Filters">
        <Picker
          namespace={state.namespace}
          name={state.name}
          displayName={detail?.displayName ?? null}
          choose={(namespace, name) => set({ namespace, name })}
        />
        <button
          type="button"
          class="btn slim toggle"
          aria-expanded={filtersOpen}
          onClick={() => setFiltersOpen(!filtersOpen)}
        >
          <Icon name="filter" />
          Filters{(state.split || state.label || state.prefix) && <span class="tag accent">on</span>}
        </button>
        <div class={filtersOpen ? "open" : "shut"}>
          {shelf && (
            <Sidebar
              state={state}
              set={set}
              versions={chosen.versions.data?.items ?? []}
              working={chosen.working}
              version={version}
              facets={facets}
              prefixField={prefixField}
            />
          )}
        </div>
      </aside>
      <Middle state={state} set={set} chosen={chosen} samples={samples} choose={choose} onColumns={setColumns} />
      <aside class="panel" aria-label="Details">
        {sample && shelf && (
          <Info
            shelf={shelf}
            sample={sample}
            expand={() => set({ expanded: true })}
            close={() => set({ sample: null, expanded: false }, true)}
          />
        )}
        {!sample && alone.error && <ErrorNote problem={alone.error} retry={alone.reload} />}
        {!sample && !alone.error && detail && shelf && (
          <NothingChosen detail={detail} version={version} working={chosen.working} />
        )}
      </aside>
      {state.expanded && sample && shelf && (
        <Viewer
          shelf={shelf}
          sample={sample}
          state={state}
          set={set}
          place={place}
          step={selection.step}
          close={() => set({ expanded: false, slice: null })}
        />
      )}
    </div>
  );
}

interface MiddleProps extends ReturnType<typeof useGalleryState> {
  chosen: Chosen;
  samples: QueryResult<ShownPage>;
  choose: (row: number) => void;
  onColumns: (columns: number) => void;
}

function Middle({ state, set, chosen, samples, choose, onColumns }: MiddleProps): JSX.Element {
  const page = samples.data;
  const items = page?.items ?? [];
  const total = page?.total ?? 0;
  const expand = useCallback((row: number) => set({ sample: row, expanded: true }), []);
  const left = Math.max(0, Math.min(state.size, total - state.position));
  if (!chosen.shelf) {
    return (
      <div class="middle">
        <NoVersion chosen={chosen} state={state} />
      </div>
    );
  }
  return (
    <div class="middle">
      {chosen.version && (
        <Newer chosen={chosen} shown={chosen.version} go={() => set({ position: 0, sample: null, expanded: false })} />
      )}
      {!chosen.version && <NotSealed chosen={chosen} state={state} />}
      {page && (
        <Pager
          total={total}
          position={state.position}
          shown={samples.outdated ? left : items.length}
          size={state.size}
          busy={samples.loading}
          go={(position) => set({ position, sample: null, expanded: false })}
          resize={(size) => set({ size, position: Math.floor(state.position / size) * size })}
        />
      )}
      {samples.error && <ErrorNote problem={samples.error} retry={samples.reload} />}
      {samples.waiting && <WaitingNote waiting={samples.waiting} what="Samples" />}
      {!page && samples.loading && <Skeleton />}
      {page && items.length === 0 && total === 0 && !samples.loading && (state.split || state.label || state.prefix) && (
        <div class="empty">
          <p>No sample matches these filters.</p>
          <button type="button" class="btn" onClick={() => set({ split: "", label: "", prefix: "" })}>
            Clear filters
          </button>
        </div>
      )}
      {items.length > 0 && page && (
        <Grid
          shelf={page.shelf}
          items={items}
          selected={state.sample}
          window={state.window}
          outdated={samples.outdated}
          choose={choose}
          expand={expand}
          onColumns={onColumns}
        />
      )}
    </div>
  );
}

interface Kept {
  sample: Shown | null;
  place: { number: number; total: number } | null;
}

/** The sample that is shown: the last one found, until the one that the address names has arrived. Otherwise the dialog
 * would close and open again at each edge of a page. */
function useKept(row: number | null, found: Shown | null, place: Kept["place"]): Kept {
  const kept = useRef<Kept>({ sample: null, place: null });
  if (row === null) kept.current = { sample: null, place: null };
  else if (found) kept.current = { sample: found, place };
  return kept.current;
}
