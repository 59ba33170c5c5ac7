// The list of data sets, alive: what `kubectl get datasets -A` says, without asking again.
import { Component, type JSX } from "preact";
import { memo } from "../lib/memo";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { DatasetSummary } from "../api";
import { count, plural, size } from "../lib/format";
import { useAge, useSettled, useTitle } from "../lib/hooks";
import { useKeys } from "../lib/keys";
import { useStore } from "../lib/store";
import { galleryQuery } from "../gallery/state";
import { MOST_ROWS, useDatasets } from "../live/datasets";
import { matches } from "../live/rows";
import { datasetPath } from "../paths";
import { href, location, navigate } from "../router";
import { CopyButton } from "../ui/copy";
import { Bones, ErrorNote } from "../ui/errors";
import { Icon } from "../ui/icons";
import { Progress, Status } from "../ui/status";
import { announce } from "../ui/toast";
import { EXAMPLE } from "./snippets";

function Age({ at }: { at: string }): JSX.Element {
  const { text, title } = useAge(at);
  return (
    <time dateTime={at} title={title}>
      {text}
    </time>
  );
}

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

const CHUNK = 50;

/** Some rows of the table: rendered again only when one of them is another one. A change then costs its fifty
 * neighbours, not two thousand. */
class Rows extends Component<{ rows: readonly DatasetSummary[] }> {
  override shouldComponentUpdate(next: { rows: readonly DatasetSummary[] }): boolean {
    const now = this.props.rows;
    return now.length !== next.rows.length || now.some((row, i) => row !== next.rows[i]);
  }

  override render(): JSX.Element {
    return (
      <tbody role="rowgroup">
        {this.props.rows.map((row) => (
          <Row key={row.uid} of={row} />
        ))}
      </tbody>
    );
  }
}

function chunks(rows: readonly DatasetSummary[]): (readonly DatasetSummary[])[] {
  return Array.from({ length: Math.ceil(rows.length / CHUNK) }, (_, i) => rows.slice(i * CHUNK, (i + 1) * CHUNK));
}

function Empty(): JSX.Element {
  return (
    <div class="card empty">
      <Icon name="images" />
      <h2>No data sets yet</h2>
      <p>Apply a Dataset to the cluster and it appears here by itself, with its progress.</p>
      <div class="sample-code">
        <pre tabIndex={0} aria-label="Example">
          {EXAMPLE}
        </pre>
        <CopyButton text={EXAMPLE} what="YAML">
          Copy
        </CopyButton>
      </div>
      <p class="small">
        Save it as <code>mnist.yaml</code>, then run <code>kubectl apply -f mnist.yaml</code>
      </p>
    </div>
  );
}

/** Reads out what a listener would want to know: other words, not each percent. */
function useAnnouncements(rows: readonly DatasetSummary[] | null): void {
  const before = useRef<Map<string, string> | null>(null);
  useEffect(() => {
    if (!rows) return;
    const now = new Map(rows.map((row) => [row.uid, row.reason]));
    for (const row of before.current ? rows : []) {
      const old = before.current?.get(row.uid);
      if (old !== undefined && old !== row.reason) announce(`${row.displayName || row.name}: ${row.reason}`);
    }
    before.current = now;
  }, [rows]);
}

export function DatasetsPage(): JSX.Element {
  useTitle("Data sets");
  const { query } = useStore(location);
  const namespace = query.get("namespace") ?? "";
  const text = query.get("q") ?? "";
  // The server is asked once the typing rests; what is here already is filtered at once.
  const list = useDatasets({ namespace, text: useSettled(text, 250) });
  const shown = useMemo(
    () => list.rows?.filter((row) => matches(row, { namespace, text })) ?? null,
    [list.rows, namespace, text],
  );
  const namespaces = useRef(new Set<string>());
  for (const row of list.rows ?? []) namespaces.current.add(row.namespace);
  if (namespace) namespaces.current.add(namespace);
  useAnnouncements(list.rows);
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
          <div class="find">
            <Icon name="search" />
            <input
              ref={find}
              class="input"
              type="search"
              aria-label="Filter data sets"
              placeholder="Filter by name"
              value={text}
              onInput={(event) => set("q", event.currentTarget.value)}
              onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
            />
            <kbd aria-hidden="true">/</kbd>
          </div>
          {(namespaces.current.size > 1 || namespace) && (
            <select
              class="input namespace"
              aria-label="Namespace"
              value={namespace}
              onChange={(event) => set("namespace", event.currentTarget.value)}
            >
              <option value="">All namespaces</option>
              {[...namespaces.current].sort().map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
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
          <table class="table datasets" role="table" aria-label="Data sets">
            <thead role="rowgroup">
              <tr role="row">
                {["Name", "Status"].map((name) => (
                  <th key={name} role="columnheader" scope="col">
                    {name}
                  </th>
                ))}
                {["Samples", "Size", "Version", "Age"].map((name) => (
                  <th key={name} class="num" role="columnheader" scope="col">
                    {name}
                  </th>
                ))}
                <th role="columnheader" scope="col">
                  <span class="hidden-text">Samples in the gallery</span>
                </th>
              </tr>
            </thead>
            {chunks(shown).map((rows, i) => (
              <Rows key={i} rows={rows} />
            ))}
          </table>
        </div>
      )}
      {list.more && (
        <p class="soft small">The first {plural(MOST_ROWS, "data set")} are shown; filter by name to see others.</p>
      )}
    </div>
  );
}
