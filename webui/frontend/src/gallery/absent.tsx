// What the gallery shows where there are no samples: nothing chosen, nothing prepared yet, nothing here yet.
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { Version } from "../api";
import { listDatasets } from "../endpoints";
import { useQuery } from "../lib/query";
import { datasetPath } from "../paths";
import { href, navigate } from "../router";
import { Bones, ErrorNote } from "../ui/errors";
import { Icon } from "../ui/icons";
import { Progress, Status } from "../ui/status";
import type { Chosen } from "./data";
import { galleryQuery, type GalleryState } from "./state";

/** Without a data set in the address: the first one that has something to show. */
export function Unchosen(): JSX.Element {
  const list = useQuery("first data sets", (how) => listDatasets({ limit: 100 }, how));
  const items = list.data?.items ?? [];
  const best = items.find((one) => one.indexed) ?? items.find((one) => one.version !== null) ?? items[0];
  useEffect(() => {
    if (best) navigate(href("/gallery", galleryQuery(best.namespace, best.name)), { replace: true });
  }, [best]);
  return (
    <div class="page">
      {list.error && <ErrorNote problem={list.error} retry={list.reload} />}
      {list.loading && <Bones lines={6} height={22} />}
      {list.data && !best && (
        <div class="card empty">
          <Icon name="images" />
          <h2>No samples yet</h2>
          <p>
            The gallery shows the samples of prepared data sets. There is none so far:{" "}
            <a href="/datasets">see how to make one</a>.
          </p>
        </div>
      )}
    </div>
  );
}

/** There is no version to look at: why, and what is happening about it. */
export function NoVersion({ chosen, state }: { chosen: Chosen; state: GalleryState }): JSX.Element {
  const detail = chosen.detail.data;
  if (chosen.detail.error) return <ErrorNote problem={chosen.detail.error} retry={chosen.detail.reload} />;
  if (chosen.versions.error) return <ErrorNote problem={chosen.versions.error} retry={chosen.versions.reload} />;
  if (!detail || !chosen.versions.data) return <Bones lines={6} height={80} />;
  const others = chosen.versions.data.items.length > 0;
  return (
    <div class="card empty" data-testid="no-version">
      <Status of={detail} />
      {detail.progress && (
        <div class="wide-progress">
          <Progress of={detail.progress} label="Preparation" />
        </div>
      )}
      {others && (
        <p>
          The link names version {state.version.slice(0, 8)}, which is gone.{" "}
          <a href={href("/gallery", galleryQuery(state.namespace, state.name))}>Show the current version</a>
        </p>
      )}
      {!others && detail.version && (
        <p>
          Version {detail.version.sequence} is sealed and its samples are being loaded. They appear here by themselves.
        </p>
      )}
      {!others && !detail.version && (
        <p>
          {detail.message || "There is no sealed version yet."} Samples appear here by themselves once there is one.
        </p>
      )}
      <a class="btn" href={datasetPath(state)}>
        Open the data set
      </a>
    </div>
  );
}

export function Skeleton(): JSX.Element {
  return (
    <div class="grid skeleton" aria-busy="true">
      {Array.from({ length: 40 }, (_, i) => (
        <div key={i} class="bone" />
      ))}
    </div>
  );
}

interface NewerProps {
  chosen: Chosen;
  shown: Version;
  go: () => void;
}

/** Offers a version that has become current while another one is looked at. */
export function Newer({ chosen, shown, go }: NewerProps): JSX.Element | null {
  if (!chosen.newer) return null;
  const advance = (): void => {
    chosen.advance();
    go();
  };
  return (
    <div class="notice busy" role="status">
      <Icon name="info" />
      <div class="body">
        Version {chosen.newer.sequence} has become current. You still see version {shown.sequence}.
      </div>
      <button type="button" class="btn slim" onClick={advance}>
        Show version {chosen.newer.sequence}
      </button>
    </div>
  );
}
