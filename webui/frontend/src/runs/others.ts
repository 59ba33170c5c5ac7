// The runs that are shown beside a run's own page.
import type { Run } from "../api-runs";
import { asProblem, type Problem } from "../client";
import type { Fetching, Named } from "../endpoints";
import { getRun } from "../endpoints-runs";
import { useQuery, type QueryResult } from "../lib/query";
import { useRevision } from "../live/revision";
import { RUN_KIND } from "../names";

/** A run beside the page's own; `run` is null when it could not be had. */
export interface Other {
  name: string;
  /** Its colour; the page's own run has 1. */
  look: number;
  run: Run | null;
  problem: Problem | null;
}

async function fetchOthers(namespace: string, names: readonly string[], how: Fetching): Promise<Other[]> {
  return Promise.all(
    names.map((name, i) =>
      getRun({ namespace, name }, how).then(
        (run): Other => ({ name, look: i + 2, run, problem: null }),
        (error: unknown): Other => {
          if (how.signal?.aborted) throw error;
          return { name, look: i + 2, run: null, problem: asProblem(error) };
        },
      ),
    ),
  );
}

/** The chosen runs beside this one; fetched again with every change of one of them, at most every five seconds. */
export function useOthers(of: Named, names: readonly string[]): QueryResult<Other[]> {
  const revision = useRevision(
    (change) => change.kind === RUN_KIND && change.namespace === of.namespace && names.includes(change.name),
    undefined,
    5000,
  );
  const key = names.length ? `others ${of.namespace} ${names.join(",")} ${revision}` : null;
  return useQuery(key, (how) => fetchOthers(of.namespace, names, how));
}
