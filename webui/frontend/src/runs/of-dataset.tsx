// The training runs that used a data set, any version of it: a section of the data set's page.
import type { JSX } from "preact";
import type { ChangeEvent, Dataset } from "../api";
import type { RunSummary } from "../api-runs";
import { listRunsOf } from "../endpoints-runs";
import { galleryQuery } from "../gallery/state";
import { useOlder } from "../lib/older";
import { useQuery } from "../lib/query";
import { useRevision } from "../live/revision";
import { RUN_KIND } from "../names";
import { runPath } from "../paths";
import { href } from "../router";
import { Bones, ErrorNote } from "../ui/errors";
import { Age } from "../ui/live-table";
import { ShowOlder } from "../ui/older";
import { LastMetric, RunStatus } from "./row";

const PAGE = 10;
// Each of a hundred running runs reports every few seconds: the section need not follow each.
const REFETCH_EVERY = 5000;

function uses(of: Dataset): (change: ChangeEvent) => boolean {
  return (change) => {
    if (change.kind !== RUN_KIND || change.namespace !== of.namespace) return false;
    const run = change.object as RunSummary | null; // of a deleted one nobody knows what it used
    return run === null || run.datasets.some((one) => one.name === of.name);
  };
}

function Version({ of, run }: { of: Dataset; run: RunSummary }): JSX.Element {
  const digest = run.datasets.find((one) => one.name === of.name)?.digest;
  if (!digest) return <span class="soft">none yet</span>;
  return (
    <a class="mono" href={href("/gallery", galleryQuery(of.namespace, of.name, { version: digest.slice(0, 16) }))}>
      {digest === of.version?.digest ? "current" : digest.slice(0, 8)}
    </a>
  );
}

export function RunsOf({ of }: { of: Dataset }): JSX.Element {
  const at = `${of.namespace}/${of.name}`;
  const revision = useRevision(uses(of), undefined, REFETCH_EVERY);
  const head = useQuery(`runs of ${at} ${revision}`, (how) => listRunsOf(of, { limit: PAGE }, how));
  const older = useOlder(at, head.data, (cursor) => listRunsOf(of, { limit: PAGE, cursor }));
  // Pages may overlap when new runs came in between: the newest word on each counts.
  const runs = [...new Map([...older.items, ...(head.data?.items ?? [])].map((run) => [run.uid, run])).values()];
  runs.sort((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt));
  return (
    <section class="card" aria-label="Training runs">
      <div class="head">
        <h2>Training runs</h2>
        <span class="soft small">that used it, in any version</span>
        {runs.length > 0 && (
          <a
            class="push small"
            href={href("/runs", new URLSearchParams({ namespace: of.namespace, dataset: of.name }))}
          >
            In the list
          </a>
        )}
      </div>
      {head.error && (
        <div class="in">
          <ErrorNote problem={head.error} retry={head.reload} />
        </div>
      )}
      {!head.data && head.loading && (
        <div class="in">
          <Bones lines={2} />
        </div>
      )}
      {head.data && runs.length === 0 && <div class="in soft small">None yet.</div>}
      {runs.length > 0 && (
        <div class="table-card">
          <table class="table lineage">
            <thead>
              <tr>
                <th>Run</th>
                <th>Status</th>
                <th>Version</th>
                <th class="num">Last metric</th>
                <th class="num wide">Age</th>
              </tr>
            </thead>
            <tbody>
              {runs.map((run) => (
                <tr key={run.uid}>
                  <td class="any-break">
                    <a href={runPath(run)}>{run.name}</a>
                  </td>
                  <td>
                    <RunStatus of={run} />
                  </td>
                  <td>
                    <Version of={of} run={run} />
                  </td>
                  <td class="num">
                    <LastMetric of={run} />
                  </td>
                  <td class="num soft wide">
                    <Age at={run.createdAt} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <ShowOlder of={older} />
    </section>
  );
}
