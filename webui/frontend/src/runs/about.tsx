// What a run was made of and where it is: parameters, data sets with their pinned versions, placement, outputs.
import type { JSX } from "preact";
import type { Json } from "../api";
import type { Run } from "../api-runs";
import { galleryQuery } from "../gallery/state";
import { count, moment } from "../lib/format";
import { datasetPath } from "../paths";
import { href } from "../router";
import { CopyButton } from "../ui/copy";
import { Age } from "../ui/live-table";
import { LongText } from "../ui/long";
import { shellWord } from "./shell";

const text = (value: Json): string => (typeof value === "string" ? value : JSON.stringify(value));

/** What went in: data sets and parameters. */
export function Inputs({ of }: { of: Run }): JSX.Element {
  const parameters = Object.entries(of.parameters);
  return (
    <section class="card" aria-label="Inputs">
      <div class="head">
        <h2>Inputs</h2>
      </div>
      <div class="in">
        <ul class="pins">
          {of.datasets.map((one) => (
            <li key={one.name}>
              <a class="any-break" href={datasetPath({ namespace: of.namespace, name: one.name })}>
                {one.name}
              </a>
              {one.digest ? (
                <a
                  class="mono small"
                  title={`The samples of version ${one.digest}`}
                  href={href(
                    "/gallery",
                    galleryQuery(of.namespace, one.name, { version: one.digest.slice(0, 16) }),
                  )}
                >
                  {one.digest.slice(0, 8)}
                  <span class="hidden-text">: samples of this version</span>
                </a>
              ) : (
                <span class="soft small">pinned when it starts</span>
              )}
            </li>
          ))}
          {of.datasets.length === 0 && <li class="soft small">No data sets</li>}
        </ul>
        {parameters.length > 0 && (
          <dl class="facts parameters" aria-label="Parameters">
            {parameters.map(([name, value]) => [
              <dt key={`k${name}`} class="mono any-break">
                {name}
              </dt>,
              <dd key={name} class="mono">
                <LongText text={text(value)} most={200} />
              </dd>,
            ])}
          </dl>
        )}
      </div>
    </section>
  );
}

function Fact({ name, value, mono }: { name: string; value: string | null; mono?: boolean }): JSX.Element | null {
  if (!value) return null;
  return (
    <>
      <dt>{name}</dt>
      <dd class={mono ? "mono" : undefined}>
        <LongText text={value} most={300} />
      </dd>
    </>
  );
}

const MOST_NODES = 8;

function nodesText(of: Run): string {
  const shown = of.nodes.slice(0, MOST_NODES).join(", ");
  const more = of.nodes.length - MOST_NODES;
  return more > 0 ? `${shown} and ${more} more` : shown;
}

function Program({ of }: { of: Run }): JSX.Element {
  const line = [...(of.command ?? []), ...(of.args ?? [])].map(shellWord).join(" ");
  return (
    <>
      <Fact name="Image" value={of.image} mono />
      <Fact name="Digest" value={of.imageDigest} mono />
      <Fact name="Code" value={of.codeRevision} mono />
      {line && (
        <>
          <dt>Command</dt>
          <dd class="row">
            <span class="mono command">
              <LongText text={line} />
            </span>
            <CopyButton text={line} what="command" />
          </dd>
        </>
      )}
    </>
  );
}

/** Where it runs and where its results are. */
export function Facts({ of }: { of: Run }): JSX.Element {
  const gpus = of.gpus ? `${count(of.gpus)}${of.numNodes > 1 ? ` on ${count(of.numNodes)} nodes` : ""}` : "none";
  const outputs = of.outputs && `${of.outputs.claimName}: ${of.outputs.path}`;
  const step = of.checkpoint?.step;
  return (
    <section class="card" aria-label="About">
      <div class="head">
        <h2>About</h2>
      </div>
      <div class="in">
        <dl class="facts">
          <Program of={of} />
          <dt>GPUs</dt>
          <dd>{gpus}</dd>
          <Fact name={of.nodes.length > 1 ? "Nodes" : "Node"} value={nodesText(of)} mono />
          <Fact name="Queue" value={of.queue} />
          <Fact name="Attempt" value={of.attempt ? count(of.attempt) : null} />
          <dt>Restarts</dt>
          <dd>{count(of.restarts)}</dd>
          <Fact name="Job" value={of.jobName} mono />
          <Fact name="Outputs" value={outputs} mono />
          {of.checkpoint && (
            <>
              <dt>Checkpoint</dt>
              <dd>
                {step !== null && step !== undefined && <div>step {count(step)}</div>}
                <div class="mono">{of.checkpoint.path}</div>
                {of.checkpoint.time && (
                  <div class="soft">
                    <Age at={of.checkpoint.time} /> ago
                  </div>
                )}
              </dd>
            </>
          )}
          <Fact name="Created" value={moment(of.createdAt)} />
          <Fact name="Started" value={moment(of.startedAt)} />
          <Fact name="Ended" value={moment(of.endedAt)} />
        </dl>
      </div>
    </section>
  );
}
