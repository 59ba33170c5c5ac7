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
import { CopyAs } from "../ui/copy-as";
import { Icon } from "../ui/icons";
import { LivePage } from "../ui/live-page";
import { About, Bad, Now } from "./dataset-about";
import { Versions } from "./dataset-versions";
import { Conditions, History } from "./object-parts";
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
        <CopyAs yaml={() => asYaml(of)} kubectl={() => asKubectl(of)} python={() => asPython(of)} />
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
  const versions = useQuery(`versions ${namespace}/${name}`, (how) => listVersions(of, how));
  const { reload } = versions;
  useEffect(() => {
    if (revision > 0) reload(); // samples that come and go are told as changes of their data set
  }, [revision]);
  const data = detail.data;
  useTitle(data?.displayName || name);
  return (
    <LivePage of={of} detail={detail}>
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
    </LivePage>
  );
}
