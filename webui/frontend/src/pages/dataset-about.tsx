// What a data set's page says about it: where it stands, what it holds, where it comes from.
import type { JSX } from "preact";
import type { Dataset } from "../api";
import { count, percent, plural, size } from "../lib/format";
import { galleryQuery } from "../gallery/state";
import { href } from "../router";
import { CopyButton } from "../ui/copy";
import { JsonTree } from "../ui/json";
import { Progress, Status } from "../ui/status";

function Splits({ of }: { of: Dataset }): JSX.Element | null {
  const total = of.splits.reduce((sum, split) => sum + split.samples, 0);
  if (total === 0) return null;
  return (
    <div class="stack">
      <div
        class="splits-bar"
        role="img"
        aria-label={of.splits.map((s) => `${s.name}: ${percent(s.samples, total)}`).join(", ")}
      >
        {of.splits.map((split, i) => (
          <div key={split.name} class={`tone-${i % 4}`} style={{ flexGrow: split.samples / total, flexBasis: 0 }} />
        ))}
      </div>
      <ul class="splits-list">
        {of.splits.map((split, i) => (
          <li key={split.name} class="row">
            <span class={`dot tone-${i % 4}`} aria-hidden="true" />
            <a href={href("/gallery", galleryQuery(of.namespace, of.name, { split: split.name }))}>{split.name}</a>
            <span class="soft">
              {count(split.samples)} · {percent(split.samples, total)}
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}

export function Now({ of }: { of: Dataset }): JSX.Element {
  return (
    <section class="card" aria-label="Status">
      <div class="in">
        <div class="now">
          <div class="row">
            <Status of={of} />
            {of.progress && of.reconciling && of.progress.stage !== of.reason && (
              <span class="soft small">{of.progress.stage}</span>
            )}
          </div>
          {of.message && (
            <p class="any-break" data-testid="message">
              {of.message}
            </p>
          )}
          {of.progress && of.reconciling && <Progress of={of.progress} label="Preparation" />}
        </div>
        <dl class="numbers">
          {of.samples !== null && (
            <div>
              <dt>Samples</dt>
              <dd>{count(of.samples)}</dd>
            </div>
          )}
          {of.classes !== null && (
            <div>
              <dt>Classes</dt>
              <dd>{count(of.classes)}</dd>
            </div>
          )}
          {of.bytes !== null && (
            <div>
              <dt>Size</dt>
              <dd>{size(of.bytes)}</dd>
            </div>
          )}
          {of.version && (
            <div>
              <dt>Version</dt>
              <dd>
                {of.version.sequence} <span class="mono soft small">{of.version.digest.slice(0, 8)}</span>
              </dd>
            </div>
          )}
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

export function About({ of }: { of: Dataset }): JSX.Element {
  const link = webLink(of.homepage);
  const hasMetadata = of.metadata !== null && typeof of.metadata === "object" && Object.keys(of.metadata).length > 0;
  return (
    <section class="card" aria-label="About">
      <div class="head">
        <h2>About</h2>
      </div>
      <div class="in">
        {of.description && <p class="prose">{of.description}</p>}
        <dl class="facts">
          <dt>Source</dt>
          <dd class="mono">{of.source ?? "–"}</dd>
          <dt>License</dt>
          <dd>{of.license ?? <span class="soft">not stated</span>}</dd>
          {of.homepage && (
            <>
              <dt>Homepage</dt>
              <dd>
                {link ? (
                  <a href={link} rel="noopener noreferrer" target="_blank">
                    {of.homepage}
                  </a>
                ) : (
                  of.homepage
                )}
              </dd>
            </>
          )}
          {of.shapes.length > 0 && (
            <>
              <dt>Shapes</dt>
              <dd class="mono">
                {of.shapes.map((shape) => (
                  <div key={shape}>{shape}</div>
                ))}
              </dd>
            </>
          )}
          {of.version && (
            <>
              <dt>Digest</dt>
              <dd class="row">
                <span class="mono cut" title={of.version.digest}>
                  {of.version.digest}
                </span>
                <CopyButton text={of.version.digest} what="digest" />
              </dd>
            </>
          )}
          {of.volume?.claimName && (
            <>
              <dt>Claim</dt>
              <dd class="mono">{of.volume.claimName}</dd>
            </>
          )}
          {of.volume?.path && (
            <>
              <dt>Path</dt>
              <dd class="mono">{of.volume.path}</dd>
            </>
          )}
          {of.volume?.freeBytes !== undefined && of.volume.capacityBytes !== undefined && (
            <>
              <dt>Volume</dt>
              <dd>
                {size(of.volume.freeBytes)} free of {size(of.volume.capacityBytes)}
              </dd>
            </>
          )}
        </dl>
        {of.citation && (
          <div>
            <div class="row">
              <h2>Citation</h2>
              <span class="push">
                <CopyButton text={of.citation} what="citation" />
              </span>
            </div>
            <pre class="code" tabIndex={0}>
              {of.citation}
            </pre>
          </div>
        )}
        {hasMetadata && (
          <div>
            <h2>Metadata</h2>
            <JsonTree value={of.metadata} />
          </div>
        )}
      </div>
    </section>
  );
}

export function Bad({ of }: { of: Dataset }): JSX.Element | null {
  const bad = of.badSamples;
  if (!bad?.count) return null;
  return (
    <section class="card" aria-label="Bad samples">
      <div class="head">
        <h2>{plural(bad.count, "bad sample")}</h2>
        <span class="soft small">left out</span>
      </div>
      <div class="in">
        <dl class="facts">
          {bad.first?.map((sample) => [
            <dt key={`k${sample.key}`} class="mono any-break">
              {sample.key}
            </dt>,
            <dd key={sample.key}>{sample.code}</dd>,
          ])}
        </dl>
        {bad.count > (bad.first?.length ?? 0) && (
          <p class="soft small">and {plural(bad.count - (bad.first?.length ?? 0), "other")}</p>
        )}
      </div>
    </section>
  );
}
