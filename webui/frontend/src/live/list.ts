// A live list for components: fetched once, then kept up to date by the event stream. live/kinds.ts says of what.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { ChangeEvent, Listing } from "../api";
import { asProblem, isAbort, type Problem } from "../client";
import { useLatest } from "../lib/hooks";
import { onChanges } from "./connect";
import type { LiveKind } from "./kinds";
import { applyBatch, type Listed } from "./rows";

export interface LiveList<Row> {
  rows: readonly Row[] | null;
  error: Problem | null;
  loading: boolean;
  /** There are more than were fetched. */
  more: boolean;
  reload: () => void;
}

const PAGE = 200;
/** Rows that one page shows; whoever has more filters. */
export const MOST_ROWS = 2000;

async function fetchAll<Row extends Listed, Filter>(
  kind: LiveKind<Row, Filter>,
  filter: Filter,
  signal: AbortSignal,
): Promise<{ rows: Row[]; more: boolean }> {
  const rows: Row[] = [];
  let cursor: string | null = null;
  do {
    const page: Listing<Row> = await kind.list({ ...kind.query(filter), limit: PAGE, cursor }, { signal });
    rows.push(...page.items);
    cursor = page.next ?? null;
  } while (cursor && rows.length < MOST_ROWS);
  return { rows, more: cursor !== null };
}

/** Objects that match; changes show within a frame. `kind` is a constant. */
export function useLiveList<Row extends Listed, Filter>(
  kind: LiveKind<Row, Filter>,
  filter: Filter,
): LiveList<Row> {
  const key = JSON.stringify(kind.query(filter));
  const latest = useLatest(filter);
  const [state, setState] = useState<Omit<LiveList<Row>, "reload">>({
    rows: null,
    error: null,
    loading: true,
    more: false,
  });
  const [turn, setTurn] = useState(0);
  const during = useRef<Map<string, ChangeEvent> | null>(null);

  useEffect(() => {
    const abort = new AbortController();
    const wanted = latest.current;
    // Changes that arrive while the list is on its way may be newer than it: they are applied to it, too.
    const kept = new Map<string, ChangeEvent>();
    during.current = kept;
    setState((old) => ({ ...old, error: null, loading: true }));
    fetchAll(kind, wanted, abort.signal).then(
      ({ rows, more }) => {
        if (abort.signal.aborted) return;
        during.current = null;
        setState({ rows: applyBatch(rows, kept, kind, wanted), error: null, loading: false, more });
      },
      (error: unknown) => {
        if (abort.signal.aborted || isAbort(error)) return;
        during.current = null;
        setState((old) => ({ ...old, error: asProblem(error), loading: false }));
      },
    );
    return () => abort.abort();
  }, [key, turn]);

  useEffect(
    () =>
      onChanges((batch) => {
        if (batch.reset) setTurn((n) => n + 1);
        for (const [uid, change] of batch.changes) during.current?.set(uid, change);
        setState((old) => {
          const rows = old.rows && applyBatch(old.rows, batch.changes, kind, latest.current);
          return rows === old.rows ? old : { ...old, rows };
        });
      }),
    [key],
  );

  const reload = useCallback(() => setTurn((n) => n + 1), []);
  return { ...state, reload };
}
