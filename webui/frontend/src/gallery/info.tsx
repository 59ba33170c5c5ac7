// Everything known about the selected sample.
import type { JSX } from "preact";
import type { Dataset, Sample, Version } from "../api";
import type { Working } from "../api-working";
import { count, dtypeName, shape, size } from "../lib/format";
import { datasetPath } from "../paths";
import { CopyButton } from "../ui/copy";
import { Icon } from "../ui/icons";
import { JsonTree } from "../ui/json";
import { Age } from "../ui/live-table";
import { Status } from "../ui/status";
import type { Shelf, Shown } from "./shelf";

/** What only samples have that are not sealed yet. */
function Unsealed({ of }: { of: NonNullable<Shown["unsealed"]> }): JSX.Element {
  return (
    <>
      <dt>Added</dt>
      <dd>
        <Age at={of.time} /> ago
        {of.by && <span class="soft any-break"> by {of.by}</span>}
      </dd>
      <dt>ETag</dt>
      <dd class="row">
        <span class="mono cut" title={of.etag} data-testid="etag">
          {of.etag}
        </span>
        <CopyButton text={of.etag} what="ETag" />
      </dd>
    </>
  );
}

export function SampleFacts({ sample }: { sample: Shown }): JSX.Element {
  return (
    <dl class="facts">
      <dt>Label</dt>
      <dd>
        {sample.label === null ? (
          <span class="soft">none</span>
        ) : (
          <span class="tag accent big">{sample.labelText}</span>
        )}
      </dd>
      <dt>Split</dt>
      <dd>{sample.split || <span class="soft">none</span>}</dd>
      {sample.group !== null && (
        <>
          <dt>Group</dt>
          <dd>{sample.group}</dd>
        </>
      )}
      {sample.width > 0 && (
        <>
          <dt>Size</dt>
          <dd>
        {shape(sample.width, sample.height, sample.depth, sample.channels)}{" "}
        <span class="soft">{dtypeName(sample.dtype)}</span>
      </dd>
        </>
      )}
      <dt>Stored</dt>
      <dd>
        {size(sample.bytes)} <span class="soft">{sample.format}</span>
      </dd>
      {sample.unsealed ? (
        <Unsealed of={sample.unsealed} />
      ) : (
        <>
          <dt>Index</dt>
          <dd>
            {count(sample.idx)} <span class="soft">row {count(sample.row)}</span>
          </dd>
        </>
      )}
      <dt>SHA-256</dt>
      <dd class="row">
        <span class="mono cut" title={sample.sha256}>
          {sample.sha256}
        </span>
        <CopyButton text={sample.sha256} what="SHA-256" />
      </dd>
    </dl>
  );
}

function hasMetadata(sample: Sample): boolean {
  return sample.metadata !== null && (typeof sample.metadata !== "object" || Object.keys(sample.metadata).length > 0);
}

interface Props {
  shelf: Shelf;
  sample: Shown;
  expand: () => void;
  close: () => void;
}

export function Info({ shelf, sample, expand, close }: Props): JSX.Element {
  return (
    <section class="info" aria-label="Sample">
      <div class="row">
        <h2 class="mono any-break" data-testid="sample-key">
          {sample.key}
        </h2>
        <span class="push row tight">
          <CopyButton text={sample.key} what="key" />
          <button
            type="button"
            class="btn slim icon ghost"
            aria-label="Close sample"
            title="Close (Esc)"
            onClick={close}
          >
            <Icon name="close" />
          </button>
        </span>
      </div>
      <div class="row">
        <button type="button" class="btn slim" onClick={expand}>
          <Icon name="expand" />
          Full size
        </button>
        <a class="btn slim" href={shelf.raw(sample)} download>
          <Icon name="download" />
          Original
        </a>
      </div>
      <SampleFacts sample={sample} />
      {hasMetadata(sample) && (
        <div>
          <div class="row">
            <h2>Metadata</h2>
            <span class="push">
              <CopyButton text={() => JSON.stringify(sample.metadata, null, 2)} what="metadata" />
            </span>
          </div>
          <JsonTree value={sample.metadata} />
        </div>
      )}
    </section>
  );
}

interface NothingProps {
  detail: Dataset;
  /** Null: what is not sealed is shown. */
  version: Version | null;
  working: Working | null;
}

/** What stands in the panel's place while nothing is selected. */
export function NothingChosen({ detail, version, working }: NothingProps): JSX.Element {
  return (
    <section class="info" aria-label="Data set">
      <h2 class="any-break">
        <a href={datasetPath(detail)}>{detail.displayName || detail.name}</a>
      </h2>
      <dl class="facts">
        <dt>Status</dt>
        <dd>
          <Status of={detail} />
        </dd>
        <dt>Version</dt>
        {version ? (
          <dd>
            {version.sequence} <span class="mono soft">({version.digest.slice(0, 8)})</span>
          </dd>
        ) : (
          <dd>not sealed yet</dd>
        )}
        <dt>Samples</dt>
        <dd>{count(version?.samples ?? working?.notSealed ?? 0)}</dd>
        {version && (
          <>
            <dt>Size</dt>
            <dd>{size(version.bytes)}</dd>
          </>
        )}
        {detail.license && (
          <>
            <dt>License</dt>
            <dd>{detail.license}</dd>
          </>
        )}
      </dl>
      <p class="soft small hints">
        Choose a sample to see all about it. <kbd>←</kbd> <kbd>→</kbd> move, <kbd>Enter</kbd> enlarges, <kbd>?</kbd>{" "}
        lists the rest.
      </p>
    </section>
  );
}
