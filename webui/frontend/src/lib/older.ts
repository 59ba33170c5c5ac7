// A list whose newest page is kept fresh and whose older ones are fetched on demand.
import { useEffect, useState } from "preact/hooks";
import type { Listing } from "../api";
import { asProblem, isAbort, type Problem } from "../client";

export interface Older<Item> {
  /** What was fetched beyond the newest page; may overlap it when new items came in between. */
  items: readonly Item[];
  /** Whether there is more. */
  left: boolean;
  problem: Problem | null;
  more: () => void;
}

/** `at` names the list: another one begins anew. `newest` is its first page, `page` fetches the one at a cursor. */
export function useOlder<Item>(
  at: string,
  newest: Listing<Item> | null | undefined,
  page: (cursor: string) => Promise<Listing<Item>>,
): Older<Item> {
  const [older, setOlder] = useState<{ items: Item[]; next: string | null } | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => setOlder(null), [at]);
  const next = older ? older.next : (newest?.next ?? null);
  const more = (): void => {
    if (!next) return;
    setProblem(null);
    page(next).then(
      (found) => setOlder({ items: [...(older?.items ?? []), ...found.items], next: found.next ?? null }),
      (error: unknown) => isAbort(error) || setProblem(asProblem(error)),
    );
  };
  return { items: older?.items ?? [], left: next !== null, problem, more };
}
