// When to ask again: counts changes of some objects, so that a page fetches what it shows once more.
import { useEffect, useReducer } from "preact/hooks";
import type { ChangeEvent } from "../api";
import { useLatest } from "../lib/hooks";
import { onChanges } from "./connect";

// A preparation writes its status every five seconds; more often than this a whole page is not fetched.
const REFETCH_EVERY = 1000;

/** Counts the changes that `mine` picks, at most one every `every` milliseconds; calls `changed` for each. */
export function useRevision(
  mine: (change: ChangeEvent) => boolean,
  changed: () => void = () => undefined,
  every = REFETCH_EVERY,
): number {
  const [revision, setRevision] = useReducer((n: number, _action: void) => n + 1, 0);
  const latest = useLatest({ mine, changed });
  useEffect(() => {
    let timer = 0;
    let last = 0;
    const run = (): void => {
      timer = 0;
      last = Date.now();
      latest.current.changed();
      setRevision();
    };
    const stop = onChanges((batch) => {
      const hit = batch.reset || [...batch.changes.values()].some((change) => latest.current.mine(change));
      if (hit && !timer) timer = window.setTimeout(run, Math.max(0, last + every - Date.now()));
    });
    return () => {
      stop();
      window.clearTimeout(timer);
    };
  }, [every]);
  return revision;
}

/** Picks the changes of one object. */
export function changesOf(kind: string, of: { namespace: string; name: string }): (change: ChangeEvent) => boolean {
  return (change) => change.kind === kind && change.namespace === of.namespace && change.name === of.name;
}
