// Fetching for components: one request at a time for each use, aborted when it is no longer wanted.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { asProblem, isAbort, type Problem, type Waiting } from "../client";
import type { Fetching } from "../endpoints";

export interface QueryResult<T> {
  /** The newest answer; while another one is fetched, the one before. */
  data: T | undefined;
  /** Whether `data` belongs to another key than the one asked for now. */
  outdated: boolean;
  error: Problem | null;
  loading: boolean;
  waiting: Waiting | null;
  reload: () => void;
}

interface State<T> {
  key: string | null;
  data: T | undefined;
  error: Problem | null;
  loading: boolean;
  waiting: Waiting | null;
}

/** Answers that never change, newest last: going back shows them at once. */
const remembered = new Map<string, unknown>();
const REMEMBERED = 60;

function remember(key: string, value: unknown): void {
  remembered.delete(key);
  remembered.set(key, value);
  for (const old of remembered.keys()) {
    if (remembered.size <= REMEMBERED) break;
    remembered.delete(old);
  }
}

/** Forget everything: another person may use this page next. */
export function forgetAnswers(): void {
  remembered.clear();
}

interface Options {
  /** The answer for this key never changes (it names a version). */
  immutable?: boolean;
  /** Show nothing of the key before. */
  fresh?: boolean;
}

/** Fetches whenever `key` changes; a null key fetches nothing. `fetcher` is the one of the render that changed it. */
export function useQuery<T>(
  key: string | null,
  fetcher: (how: Fetching) => Promise<T>,
  options: Options = {},
): QueryResult<T> {
  const [state, setState] = useState<State<T>>({
    key: null,
    data: undefined,
    error: null,
    loading: key !== null,
    waiting: null,
  });
  const [turn, setTurn] = useState(0);
  const latest = useRef(fetcher);
  latest.current = fetcher;

  useEffect(() => {
    if (key === null) {
      setState({ key, data: undefined, error: null, loading: false, waiting: null });
      return undefined;
    }
    if (options.immutable && turn === 0 && remembered.has(key)) {
      setState({ key, data: remembered.get(key) as T, error: null, loading: false, waiting: null });
      return undefined;
    }
    const abort = new AbortController();
    setState((old) => ({ ...old, error: null, loading: true, waiting: null }));
    const onWaiting = (waiting: Waiting | null): void => {
      if (!abort.signal.aborted) setState((old) => ({ ...old, waiting }));
    };
    latest.current({ signal: abort.signal, onWaiting }).then(
      (data) => {
        if (options.immutable) remember(key, data);
        if (!abort.signal.aborted) setState({ key, data, error: null, loading: false, waiting: null });
      },
      (error: unknown) => {
        if (abort.signal.aborted || isAbort(error)) return;
        setState((old) => ({ ...old, error: asProblem(error), loading: false, waiting: null }));
      },
    );
    return () => abort.abort();
  }, [key, turn]);

  const reload = useCallback(() => setTurn((n) => n + 1), []);
  const outdated = state.key !== key;
  const data = options.fresh && outdated ? undefined : state.data;
  return {
    data,
    outdated,
    error: state.error,
    loading: state.loading || (outdated && key !== null && !state.error),
    waiting: state.waiting,
    reload,
  };
}
