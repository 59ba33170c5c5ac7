// The list of training runs, alive: what `kubectl get trainingruns -A` says, without asking again.
import type { JSX } from "preact";
import { useMemo, useRef } from "preact/hooks";
import type { RunSummary } from "../api-runs";
import { count, plural } from "../lib/format";
import { useSettled, useTitle } from "../lib/hooks";
import { useKeys } from "../lib/keys";
import { useStore } from "../lib/store";
import { RUNS, type RunFilter } from "../live/kinds";
import { MOST_ROWS, useLiveList } from "../live/list";
import { href, location, navigate } from "../router";
import { Bones, ErrorNote } from "../ui/errors";
import { Example } from "../ui/example";
import { Icon } from "../ui/icons";
import { Choose, Find, Heads, Rows, useAnnouncements, useSeen } from "../ui/live-table";
import { RunRow } from "./row";
import { EXAMPLE } from "./snippets";
import { STATES } from "./words";

const HEADS = [
  { name: "Name" },
  { name: "Status" },
  { name: "Data sets" },
  ...["Last metric", "GPUs", "Restarts", "Duration", "Age"].map((name) => ({ name, look: "num" })),
];

function Empty(): JSX.Element {
  return (
    <div class="card empty">
      <Icon name="runs" />
      <h2>No training runs yet</h2>
      <p>
        Apply a TrainingRun to the cluster and it appears here by itself. It names an image, a command and the data sets
        that the program finds below <code>/workspace/dataset</code>.
      </p>
      <Example text={EXAMPLE} />
      <p class="small">
        Save it as <code>run.yaml</code>, name your image and data set, then run <code>kubectl apply -f run.yaml</code>
      </p>
    </div>
  );
}

function read(query: URLSearchParams): RunFilter {
  const state = query.get("state") ?? "";
  return {
    namespace: query.get("namespace") ?? "",
    text: query.get("q") ?? "",
    dataset: query.get("dataset") ?? "",
    state: STATES.some((one) => one.value === state) ? state : "",
  };
}

function set(key: string, value: string): void {
  const next = new URLSearchParams(location.get().query);
  if (value) next.set(key, value);
  else next.delete(key);
  navigate(href("/runs", next), { replace: true });
}

function Filters({ filter, rows }: { filter: RunFilter; rows: readonly RunSummary[] }): JSX.Element {
  const find = useRef<HTMLInputElement>(null);
  useKeys({ "/": () => find.current?.focus() });
  const namespaces = useSeen(
    rows.map((row) => row.namespace),
    filter.namespace,
  );
  const datasets = useSeen(
    rows.flatMap((row) => row.datasets.map((one) => one.name)),
    filter.dataset,
  );
  return (
    <div class="tools push">
      <Find field={find} label="Filter training runs" value={filter.text} set={(value) => set("q", value)} />
      <Choose
        label="State"
        all="All states"
        value={filter.state}
        set={(value) => set("state", value)}
        choices={STATES}
      />
      {datasets.length > 0 && (
        <Choose
          label="Data set"
          all="All data sets"
          value={filter.dataset}
          set={(value) => set("dataset", value)}
          choices={datasets}
        />
      )}
      {(namespaces.length > 1 || filter.namespace) && (
        <Choose
          label="Namespace"
          all="All namespaces"
          value={filter.namespace}
          set={(value) => set("namespace", value)}
          choices={namespaces}
        />
      )}
    </div>
  );
}

function NoMatch(): JSX.Element {
  return (
    <div class="card empty">
      <p>No training run matches.</p>
      <button type="button" class="btn" onClick={() => navigate("/runs")}>
        Show all
      </button>
    </div>
  );
}

export function RunsPage(): JSX.Element {
  useTitle("Training runs");
  const { query } = useStore(location);
  const filter = read(query);
  const key = JSON.stringify(filter);
  // The server is asked once the typing rests; what is here already is filtered at once.
  const list = useLiveList(RUNS, { ...filter, text: useSettled(filter.text, 250) });
  const shown = useMemo(() => list.rows?.filter((row) => RUNS.matches(row, filter)) ?? null, [list.rows, key]);
  useAnnouncements(list.rows, (row) => row.name);
  const filtered = Object.values(filter).some(Boolean);
  const empty = shown !== null && shown.length === 0 && !list.loading;
  return (
    <div class="page">
      <div class="page-head">
        <h1>Training runs</h1>
        {shown && (
          <span class="soft" data-testid="run-count">
            {count(shown.length)}
            {list.more ? "+" : ""}
          </span>
        )}
        <Filters filter={filter} rows={list.rows ?? []} />
      </div>
      {list.error && <ErrorNote problem={list.error} retry={list.reload} />}
      {!shown && list.loading && (
        <div class="card">
          <div class="in">
            <Bones lines={6} height={22} />
          </div>
        </div>
      )}
      {empty && !filtered && <Empty />}
      {empty && filtered && <NoMatch />}
      {shown && shown.length > 0 && (
        <div class="card">
          <table class="table rows runs" role="table" aria-label="Training runs">
            <Heads names={HEADS} />
            <Rows rows={shown} row={RunRow} />
          </table>
        </div>
      )}
      {list.more && (
        <p class="soft small">
          The newest {plural(MOST_ROWS, "training run")} are shown; filter to see others.
        </p>
      )}
    </div>
  );
}
