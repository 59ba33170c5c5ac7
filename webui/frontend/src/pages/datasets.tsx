// The list of data sets, alive: what `kubectl get datasets -A` says, without asking again.
import type { JSX } from "preact";
import { useMemo, useRef } from "preact/hooks";
import type { DatasetSummary } from "../api";
import { galleryQuery } from "../gallery/state";
import { count, plural, size } from "../lib/format";
import { useSettled, useTitle } from "../lib/hooks";
import { useKeys } from "../lib/keys";
import { memo } from "../lib/memo";
import { useStore } from "../lib/store";
import { DATASETS } from "../live/kinds";
import { MOST_ROWS, useLiveList } from "../live/list";
import { datasetPath } from "../paths";
import { href, location, navigate } from "../router";
import { Bones, ErrorNote } from "../ui/errors";
import { Example } from "../ui/example";
import { Icon } from "../ui/icons";
import { Age, Choose, Find, Heads, Rows, useAnnouncements, useSeen } from "../ui/live-table";
import { Progress, Status } from "../ui/status";
import { EXAMPLE } from "./snippets";

const HEADS = [
  { name: "Name" },
  { name: "Status" },
  ...["Samples", "Size", "Version", "Age"].map((name) => ({ name, look: "num" })),
  { name: "Samples in the gallery", hidden: true },
];

const Row = memo(function Row({ of }: { of: DatasetSummary }): JSX.Element {
  const troubled = !of.ready || of.stalled;
  return (
    <tr role="row" data-testid={`dataset-${of.namespace}-${of.name}`}>
      <td role="cell" class="name">
        <div class="row">
          <a class="cut" href={datasetPath(of)}>
            {of.displayName || of.name}
          </a>
          {of.managedBy && <span class="tag">{of.managedBy}</span>}
        </div>
        <div class="tiny soft cut">
          {of.namespace}/{of.name}
        </div>
      </td>
      <td role="cell" class="state">
        <Status of={of} />
        {of.progress && of.reconciling && <Progress of={of.progress} label={`Preparation of ${of.name}`} />}
        {troubled && !of.progress && of.message && (
          <div class="why" title={of.message}>
            {of.message}
          </div>
        )}
      </td>
      <td role="cell" class="num">
        {of.samples === null ? "" : count(of.samples)}
      </td>
      <td role="cell" class="num">
        {of.bytes === null ? "" : size(of.bytes)}
      </td>
      <td role="cell" class="num mono">
        {of.version && (
          <>
            {of.version.sequence} <span class="soft">({of.version.digest.slice(0, 8)})</span>
          </>
        )}
      </td>
      <td role="cell" class="num soft">
        <Age at={of.createdAt} />
      </td>
      <td role="cell" class="go">
        {of.version && (
          <a
            class="btn slim icon ghost"
            href={href("/gallery", galleryQuery(of.namespace, of.name))}
            aria-label={`Samples of ${of.namespace}/${of.name}`}
            title="Samples"
          >
            <Icon name="images" />
          </a>
        )}
      </td>
    </tr>
  );
});

function Empty(): JSX.Element {
  return (
    <div class="card empty">
      <Icon name="images" />
      <h2>No data sets yet</h2>
      <p>Apply a Dataset to the cluster and it appears here by itself, with its progress.</p>
      <Example text={EXAMPLE} />
      <p class="small">
        Save it as <code>mnist.yaml</code>, then run <code>kubectl apply -f mnist.yaml</code>
      </p>
    </div>
  );
}

export function DatasetsPage(): JSX.Element {
  useTitle("Data sets");
  const { query } = useStore(location);
  const namespace = query.get("namespace") ?? "";
  const text = query.get("q") ?? "";
  // The server is asked once the typing rests; what is here already is filtered at once.
  const list = useLiveList(DATASETS, { namespace, text: useSettled(text, 250) });
  const shown = useMemo(
    () => list.rows?.filter((row) => DATASETS.matches(row, { namespace, text })) ?? null,
    [list.rows, namespace, text],
  );
  const namespaces = useSeen((list.rows ?? []).map((row) => row.namespace), namespace);
  useAnnouncements(list.rows, (row) => row.displayName || row.name);
  const find = useRef<HTMLInputElement>(null);
  const set = (key: string, value: string): void => {
    const next = new URLSearchParams(location.get().query);
    if (value) next.set(key, value);
    else next.delete(key);
    navigate(href("/datasets", next), { replace: true });
  };
  useKeys({ "/": () => find.current?.focus() });
  const filtered = namespace !== "" || text !== "";
  return (
    <div class="page">
      <div class="page-head">
        <h1>Data sets</h1>
        {shown && (
          <span class="soft" data-testid="dataset-count">
            {count(shown.length)}
            {list.more ? "+" : ""}
          </span>
        )}
        <div class="tools push">
          <Find field={find} label="Filter data sets" value={text} set={(value) => set("q", value)} />
          {(namespaces.length > 1 || namespace) && (
            <Choose
              label="Namespace"
              all="All namespaces"
              value={namespace}
              set={(value) => set("namespace", value)}
              choices={namespaces}
            />
          )}
        </div>
      </div>
      {list.error && <ErrorNote problem={list.error} retry={list.reload} />}
      {!shown && list.loading && (
        <div class="card">
          <div class="in">
            <Bones lines={6} height={22} />
          </div>
        </div>
      )}
      {shown && shown.length === 0 && !list.loading && !filtered && <Empty />}
      {shown && shown.length === 0 && !list.loading && filtered && (
        <div class="card empty">
          <p>No data set matches.</p>
          <button type="button" class="btn" onClick={() => navigate("/datasets")}>
            Show all
          </button>
        </div>
      )}
      {shown && shown.length > 0 && (
        <div class="card">
          <table class="table rows datasets" role="table" aria-label="Data sets">
            <Heads names={HEADS} />
            <Rows rows={shown} row={Row} />
          </table>
        </div>
      )}
      {list.more && (
        <p class="soft small">The first {plural(MOST_ROWS, "data set")} are shown; filter by name to see others.</p>
      )}
    </div>
  );
}
