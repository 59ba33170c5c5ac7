// One data set: where it stands now, what it holds, what happened to it.
import type { JSX } from "preact";
import { useEffect, useReducer } from "preact/hooks";
import type { Dataset } from "../api";
import { getDataset, listVersions, type Named } from "../endpoints";
import { count, percent, plural, size } from "../lib/format";
import { useTitle } from "../lib/hooks";
import { useQuery, type QueryResult } from "../lib/query";
import { galleryQuery } from "../gallery/state";
import { onChanges } from "../live/connect";
import { href } from "../router";
import { CopyButton, copyText } from "../ui/copy";
import { Bones, ErrorNote, WaitingNote } from "../ui/errors";
import { Icon } from "../ui/icons";
import { JsonTree } from "../ui/json";
import { Menu } from "../ui/menu";
import { Progress, Status } from "../ui/status";
import { announce } from "../ui/toast";
import { Conditions, History, Versions } from "./dataset-parts";
import { asKubectl, asPython, asYaml } from "./snippets";

// A preparation writes its status every five seconds; more often than this the whole page is not fetched.
const REFETCH_EVERY = 1000;

/** Keeps a fetched data set up to date: at once from the event, the rest by asking again soon. */
function useLiveDataset(of: Named): { detail: QueryResult<Dataset>; revision: number } {
  const key = `${of.namespace}/${of.name}`;
  const detail = useQuery(`dataset ${key}`, (how) => getDataset(of, how), { fresh: true });
  const revision = useRevision(of, detail.reload);
  return { detail, revision };
}

/** Counts changes of a data set, at most one a second; calls back for each. */
function useRevision(of: Named, changed: () => void): number {
  const [revision, setRevision] = useTick();
  useEffect(() => {
    let timer = 0;
    let last = 0;
    const run = (): void => {
      timer = 0;
      last = Date.now();
      changed();
      setRevision();
    };
    const stop = onChanges((batch) => {
      const mine = batch.reset || [...batch.changes.values()].some((c) => c.namespace === of.namespace && c.name === of.name);
      if (mine && !timer) timer = window.setTimeout(run, Math.max(0, last + REFETCH_EVERY - Date.now()));
    });
    return () => {
      stop();
      window.clearTimeout(timer);
    };
  }, [of.namespace, of.name, changed]);
  return revision;
}

function Splits({ of }: { of: Dataset }): JSX.Element | null {
  const total = of.splits.reduce((sum, split) => sum + split.samples, 0);
  if (total === 0) return null;
  return (
    <div class="stack">
      <div class="splits-bar" role="img" aria-label={of.splits.map((s) => `${s.name}: ${percent(s.samples, total)}`).join(", ")}>
        {of.splits.map((split, i) => <div key={split.name} class={`tone-${i % 4}`} style={{ flexGrow: split.samples / total, flexBasis: 0 }} />)}
      </div>
      <ul class="splits-list">
        {of.splits.map((split, i) => (
          <li key={split.name} class="row">
            <span class={`dot tone-${i % 4}`} aria-hidden="true" />
            <a href={href("/gallery", galleryQuery(of.namespace, of.name, { split: split.name }))}>{split.name}</a>
            <span class="soft">{count(split.samples)} · {percent(split.samples, total)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Now({ of }: { of: Dataset }): JSX.Element {
  return (
    <section class="card" aria-label="Status">
      <div class="in">
        <div class="now">
          <div class="row">
            <Status of={of} />
            {of.progress && of.reconciling && of.progress.stage !== of.reason && <span class="soft small">{of.progress.stage}</span>}
          </div>
          {of.message && <p class="any-break" data-testid="message">{of.message}</p>}
          {of.progress && of.reconciling && <Progress of={of.progress} label="Preparation" />}
        </div>
        <dl class="numbers">
          {of.samples !== null && <div><dt>Samples</dt><dd>{count(of.samples)}</dd></div>}
          {of.classes !== null && <div><dt>Classes</dt><dd>{count(of.classes)}</dd></div>}
          {of.bytes !== null && <div><dt>Size</dt><dd>{size(of.bytes)}</dd></div>}
          {of.version && <div><dt>Version</dt><dd>{of.version.sequence} <span class="mono soft small">{of.version.digest.slice(0, 8)}</span></dd></div>}
        </dl>
        <Splits of={of} />
      </div>
    </section>
  );
}

/** A link only where it is one: http(s), nothing else that browsers would follow. */
export function webLink(address: string | null): string | null {
  if (!address) return null;
  try {
    const url = new URL(address);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}

function About({ of }: { of: Dataset }): JSX.Element {
  const link = webLink(of.homepage);
  const hasMetadata = of.metadata !== null && typeof of.metadata === "object" && Object.keys(of.metadata).length > 0;
  return (
    <section class="card" aria-label="About">
      <div class="head"><h2>About</h2></div>
      <div class="in">
        {of.description && <p class="prose">{of.description}</p>}
        <dl class="facts">
          <dt>Source</dt><dd class="mono">{of.source ?? "–"}</dd>
          <dt>License</dt><dd>{of.license ?? <span class="soft">not stated</span>}</dd>
          {of.homepage && <><dt>Homepage</dt><dd>{link ? <a href={link} rel="noopener noreferrer" target="_blank">{of.homepage}</a> : of.homepage}</dd></>}
          {of.shapes.length > 0 && <><dt>Shapes</dt><dd class="mono">{of.shapes.map((shape) => <div key={shape}>{shape}</div>)}</dd></>}
          {of.version && <><dt>Digest</dt><dd class="row"><span class="mono cut" title={of.version.digest}>{of.version.digest}</span><CopyButton text={of.version.digest} what="digest" /></dd></>}
          {of.volume?.claimName && <><dt>Claim</dt><dd class="mono">{of.volume.claimName}</dd></>}
          {of.volume?.path && <><dt>Path</dt><dd class="mono">{of.volume.path}</dd></>}
          {of.volume?.freeBytes !== undefined && of.volume.capacityBytes !== undefined && (
            <><dt>Volume</dt><dd>{size(of.volume.freeBytes)} free of {size(of.volume.capacityBytes)}</dd></>
          )}
        </dl>
        {of.citation && (
          <div>
            <div class="row"><h2>Citation</h2><span class="push"><CopyButton text={of.citation} what="citation" /></span></div>
            <pre class="code" tabIndex={0}>{of.citation}</pre>
          </div>
        )}
        {hasMetadata && <div><h2>Metadata</h2><JsonTree value={of.metadata} /></div>}
      </div>
    </section>
  );
}

function Bad({ of }: { of: Dataset }): JSX.Element | null {
  const bad = of.badSamples;
  if (!bad?.count) return null;
  return (
    <section class="card" aria-label="Bad samples">
      <div class="head"><h2>{plural(bad.count, "bad sample")}</h2><span class="soft small">left out</span></div>
      <div class="in">
        <dl class="facts">
          {bad.first?.map((sample) => [<dt key={`k${sample.key}`} class="mono any-break">{sample.key}</dt>, <dd key={sample.key}>{sample.code}</dd>])}
        </dl>
        {bad.count > (bad.first?.length ?? 0) && <p class="soft small">and {plural(bad.count - (bad.first?.length ?? 0), "other")}</p>}
      </div>
    </section>
  );
}

function Head({ of }: { of: Dataset }): JSX.Element {
  return (
    <div class="page-head">
      <div>
        <div class="tiny soft"><a href="/datasets">Data sets</a> / {of.namespace} / {of.name}</div>
        <h1 class="any-break">{of.displayName || of.name}</h1>
      </div>
      {of.managedBy && <span class="tag accent" title="Change it where it is managed: changes made here would be undone.">managed by {of.managedBy}</span>}
      <div class="tools push">
        <Menu label="Copy as" button={<><Icon name="copy" />Copy as<Icon name="down" /></>}>
          <button type="button" onClick={() => void copyText(asYaml(of), "YAML")}>YAML</button>
          <button type="button" onClick={() => void copyText(asKubectl(of), "kubectl commands")}>kubectl</button>
          <button type="button" onClick={() => void copyText(asPython(of), "Python")}>Python</button>
        </Menu>
        <a class="btn primary" href={href("/gallery", galleryQuery(of.namespace, of.name))}>
          <Icon name="images" />Gallery
        </a>
      </div>
    </div>
  );
}

export function DatasetPage({ namespace, name }: Named): JSX.Element {
  const of = { namespace, name };
  const { detail, revision } = useLiveDataset(of);
  const versions = useQuery(`versions ${namespace}/${name} ${detail.data?.version?.digest ?? ""} ${detail.data?.indexed ?? ""}`, (how) => listVersions(of, how));
  const data = detail.data;
  useTitle(data?.displayName || name);
  const word = data?.reason;
  useEffect(() => {
    if (word) announce(`Status: ${word}`);
  }, [word]);
  return (
    <div class="page">
      {detail.error && !data && <div class="page-head"><h1>{namespace}/{name}</h1></div>}
      {detail.error && <ErrorNote problem={detail.error} retry={detail.reload} />}
      {detail.waiting && <WaitingNote waiting={detail.waiting} what="It" />}
      {!data && !detail.error && <div class="card"><div class="in"><Bones lines={8} /></div></div>}
      {data && (
        <>
          <Head of={data} />
          <div class="columns">
            <div class="stack">
              <Now of={data} />
              <Bad of={data} />
              <Versions of={of} query={versions} />
              <History of={of} revision={revision} />
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

function useTick(): [number, () => void] {
  return useReducer((n: number, _action: void) => n + 1, 0) as [number, () => void];
}
