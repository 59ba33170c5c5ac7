// One data set: where it stands now, what it holds, what happened to it.
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { Dataset } from "../api";
import { getDataset, listHistory, listVersions, type Named } from "../endpoints";
import { useTitle } from "../lib/hooks";
import { useQuery, type QueryResult } from "../lib/query";
import { galleryQuery } from "../gallery/state";
import { changesOf, useRevision } from "../live/revision";
import { KIND } from "../names";
import { href } from "../router";
import { RunsOf } from "../runs/of-dataset";
import { copyText } from "../ui/copy";
import { Bones, ErrorNote, WaitingNote } from "../ui/errors";
import { Icon } from "../ui/icons";
import { Menu } from "../ui/menu";
import { announce } from "../ui/toast";
import { About, Bad, Now } from "./dataset-about";
import { Conditions, History, Versions } from "./dataset-parts";
import { asKubectl, asPython, asYaml } from "./snippets";

/** Keeps a fetched data set up to date: at once from the event, the rest by asking again soon. */
function useLiveDataset(of: Named): { detail: QueryResult<Dataset>; revision: number } {
  const detail = useQuery(`dataset ${of.namespace}/${of.name}`, (how) => getDataset(of, how), { fresh: true });
  const revision = useRevision(changesOf(KIND, of), detail.reload);
  return { detail, revision };
}

function Head({ of }: { of: Dataset }): JSX.Element {
  return (
    <div class="page-head">
      <div>
        <div class="tiny soft crumbs">
          <a href="/datasets">Data sets</a> / {of.namespace} / {of.name}
        </div>
        <h1 class="any-break">{of.displayName || of.name}</h1>
      </div>
      {of.managedBy && (
        <span class="tag accent" title="Change it where it is managed: changes made here would be undone.">
          managed by {of.managedBy}
        </span>
      )}
      <div class="tools push">
        <Menu
          label="Copy as"
          button={
            <>
              <Icon name="copy" />
              Copy as
              <Icon name="down" />
            </>
          }
        >
          <button type="button" onClick={() => void copyText(asYaml(of), "YAML")}>
            YAML
          </button>
          <button type="button" onClick={() => void copyText(asKubectl(of), "kubectl commands")}>
            kubectl
          </button>
          <button type="button" onClick={() => void copyText(asPython(of), "Python")}>
            Python
          </button>
        </Menu>
        <a class="btn primary" href={href("/gallery", galleryQuery(of.namespace, of.name))}>
          <Icon name="images" />
          Gallery
        </a>
      </div>
    </div>
  );
}

export function DatasetPage({ namespace, name }: Named): JSX.Element {
  const of = { namespace, name };
  const { detail, revision } = useLiveDataset(of);
  const versions = useQuery(
    `versions ${namespace}/${name} ${detail.data?.version?.digest ?? ""} ${detail.data?.indexed ?? ""}`,
    (how) => listVersions(of, how),
  );
  const data = detail.data;
  useTitle(data?.displayName || name);
  const word = data?.reason;
  useEffect(() => {
    if (word) announce(`Status: ${word}`);
  }, [word]);
  return (
    <div class="page">
      {detail.error && !data && (
        <div class="page-head">
          <h1>
            {namespace}/{name}
          </h1>
        </div>
      )}
      {detail.error && <ErrorNote problem={detail.error} retry={detail.reload} />}
      {detail.waiting && <WaitingNote waiting={detail.waiting} what="It" />}
      {!data && !detail.error && (
        <div class="card">
          <div class="in">
            <Bones lines={8} />
          </div>
        </div>
      )}
      {data && (
        <>
          <Head of={data} />
          <div class="columns">
            <div class="stack">
              <Now of={data} />
              <Bad of={data} />
              <Versions of={of} query={versions} />
              <RunsOf of={data} />
              <History of={of} revision={revision} list={listHistory} kind="data set" />
            </div>
            <div class="stack">
              <About of={data} />
              <Conditions items={data.conditions} />
            </div>
          </div>
        </>
      )}
    </div>
  );
}
