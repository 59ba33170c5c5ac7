// The live list of data sets for components: fetched once, then kept up to date by the event stream.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { ChangeEvent, DatasetSummary } from "../api";
import { asProblem, isAbort, type Problem } from "../client";
import { listDatasets } from "../endpoints";
import { applyBatch, type ListFilter } from "./rows";
import { onChanges } from "./connect";

export interface LiveList {
  rows: readonly DatasetSummary[] | null;
  error: Problem | null;
  loading: boolean;
  /** There are more than were fetched. */
  more: boolean;
  reload: () => void;
}

const PAGE = 200;
/** Rows that one page shows; whoever has more filters. */
export const MOST_ROWS = 2000;

async function fetchAll(filter: ListFilter, signal: AbortSignal): Promise<{ rows: DatasetSummary[]; more: boolean }> {
  const rows: DatasetSummary[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof listDatasets>> = await listDatasets(
      { namespace: filter.namespace, q: filter.text, limit: PAGE, cursor },
      { signal },
    );
    rows.push(...page.items);
    cursor = page.next ?? null;
  } while (cursor && rows.length < MOST_ROWS);
  return { rows, more: cursor !== null };
}

/** Data sets that match; changes show within a frame. */
export function useDatasets(filter: ListFilter): LiveList {
  const { namespace, text } = filter;
  const [state, setState] = useState<Omit<LiveList, "reload">>({ rows: null, error: null, loading: true, more: false });
  const [turn, setTurn] = useState(0);
  const during = useRef<Map<string, ChangeEvent> | null>(null);

  useEffect(() => {
    const abort = new AbortController();
    // Changes that arrive while the list is on its way may be newer than it: they are applied to it, too.
    const kept = new Map<string, ChangeEvent>();
    during.current = kept;
    setState((old) => ({ ...old, error: null, loading: true }));
    fetchAll({ namespace, text }, abort.signal).then(
      ({ rows, more }) => {
        if (abort.signal.aborted) return;
        during.current = null;
        setState({ rows: applyBatch(rows, kept, { namespace, text }), error: null, loading: false, more });
      },
      (error: unknown) => {
        if (abort.signal.aborted || isAbort(error)) return;
        during.current = null;
        setState((old) => ({ ...old, error: asProblem(error), loading: false }));
      },
    );
    return () => abort.abort();
  }, [namespace, text, turn]);

  useEffect(
    () =>
      onChanges((batch) => {
        if (batch.reset) setTurn((n) => n + 1);
        for (const [uid, change] of batch.changes) during.current?.set(uid, change);
        setState((old) => {
          const rows = old.rows && applyBatch(old.rows, batch.changes, { namespace, text });
          return rows === old.rows ? old : { ...old, rows };
        });
      }),
    [namespace, text],
  );

  const reload = useCallback(() => setTurn((n) => n + 1), []);
  return { ...state, reload };
}
