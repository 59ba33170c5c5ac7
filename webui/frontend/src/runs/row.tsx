// One training run in a list: runs/list.tsx and the runs of a data set (runs/of-dataset.tsx).
import type { JSX } from "preact";
import type { RunSummary } from "../api-runs";
import { moment } from "../lib/format";
import { useNow } from "../lib/hooks";
import { memo } from "../lib/memo";
import { datasetPath, runPath } from "../paths";
import { Age } from "../ui/live-table";
import { Progress, StatusWord } from "../ui/status";
import { had, metricText, orderedMetrics, ranFor, shownProgress, standing } from "./words";

export function RunStatus({ of }: { of: Pick<RunSummary, "state" | "reason" | "stalled"> }): JSX.Element {
  return <StatusWord look={standing(of)}>{of.reason || of.state}</StatusWord>;
}

/** The most telling number of a run. */
export function LastMetric({ of }: { of: RunSummary }): JSX.Element | null {
  const first = orderedMetrics(of.metrics, of.objective)[0];
  if (!first) return null;
  return (
    <>
      <span class="mono cut" title={first.value.slice(0, 200)}>
        {metricText(first.value)}
      </span>
      <div class="tiny soft cut" title={first.name}>
        {first.name}
      </div>
    </>
  );
}

function Running({ of }: { of: RunSummary }): JSX.Element {
  return <>{ranFor(of, useNow())}</>;
}

/** How long a run took; it counts while the run goes on. */
export function Duration({ of }: { of: RunSummary }): JSX.Element | null {
  if (!of.startedAt || !had(of)) return null;
  const title = `Started ${moment(of.startedAt)}${of.endedAt ? `, ended ${moment(of.endedAt)}` : ""}`;
  return <span title={title}>{of.runningSince ? <Running of={of} /> : ranFor(of, 0)}</span>;
}

const MOST_DATASETS = 2;

export function DatasetLinks({ of }: { of: RunSummary }): JSX.Element {
  const more = of.datasets.length - MOST_DATASETS;
  return (
    <>
      {of.datasets.slice(0, MOST_DATASETS).map((one) => (
        <a key={one.name} class="above cut" href={datasetPath({ namespace: of.namespace, name: one.name })}>
          {one.name}
        </a>
      ))}
      {more > 0 && (
        <span class="soft tiny" title={of.datasets.map((one) => one.name).join(", ")}>
          and {more} more
        </span>
      )}
    </>
  );
}

export const RunRow = memo(function RunRow({ of }: { of: RunSummary }): JSX.Element {
  const progress = shownProgress(of);
  const untroubled = of.state === "running" && progress !== null;
  return (
    <tr role="row" data-testid={`run-${of.namespace}-${of.name}`}>
      <td role="cell" class="name">
        <div class="row">
          <a class="cut" href={runPath(of)}>
            {of.name}
          </a>
          {of.managedBy && <span class="tag">{of.managedBy}</span>}
        </div>
        <div class="tiny soft cut">{of.namespace}</div>
      </td>
      <td role="cell" class="state">
        <RunStatus of={of} />
        {progress && <Progress of={progress} label={`Training of ${of.name}`} />}
        {!untroubled && of.message && (
          <div class="why" title={of.message}>
            {of.message}
          </div>
        )}
      </td>
      <td role="cell" class="sets" data-label="Data">
        <DatasetLinks of={of} />
      </td>
      <td role="cell" class="num metric">
        <LastMetric of={of} />
      </td>
      <td role="cell" class="num" data-label="GPUs">
        {of.gpus || ""}
      </td>
      <td role="cell" class="num" data-label="restarts">
        {of.restarts || ""}
      </td>
      <td role="cell" class="num" data-label={of.runningSince ? "runs" : "took"}>
        <Duration of={of} />
      </td>
      <td role="cell" class="num soft" data-label="age">
        <Age at={of.createdAt} />
      </td>
    </tr>
  );
});
