// Where a run stands: its word, what to do, how far it is, its last numbers; and how it failed.
import type { JSX } from "preact";
import type { Run } from "../api-runs";
import { sentence } from "../lib/format";
import { useAge } from "../lib/hooks";
import { CopyButton } from "../ui/copy";
import { Icon } from "../ui/icons";
import { LongText } from "../ui/long";
import { Progress } from "../ui/status";
import { Duration, RunStatus } from "./row";
import { adviceFor, failureText, gpuHours, had, metricText, orderedMetrics, over, shownProgress } from "./words";

function Since({ at }: { at: string }): JSX.Element {
  const { text, title } = useAge(at);
  return (
    <time class="soft small" dateTime={at} title={title}>
      for {text}
    </time>
  );
}

const MOST_METRICS = 6;

function Numbers({ of }: { of: Run }): JSX.Element {
  const metrics = orderedMetrics(of.metrics, of.objective);
  const more = metrics.length - MOST_METRICS;
  return (
    <dl class="numbers">
      {metrics.slice(0, MOST_METRICS).map((one) => (
        <div key={one.name}>
          <dt class="cut" title={one.name}>
            {one.name}
            {one.name === of.objective?.name && (
              <span class="hidden-text"> (the objective: {of.objective.direction})</span>
            )}
          </dt>
          <dd class={one.name === of.objective?.name ? "objective" : undefined} title={one.value.slice(0, 200)}>
            {metricText(one.value)}
          </dd>
        </div>
      ))}
      {more > 0 && (
        <div>
          <dt>and</dt>
          <dd>{more} more</dd>
        </div>
      )}
      {of.startedAt && had(of) && (
        <div>
          <dt>{of.runningSince ? "Runs for" : over(of) ? "Took" : "Ran for"}</dt>
          <dd>
            <Duration of={of} />
          </dd>
        </div>
      )}
      {of.gpuSeconds ? (
        <div>
          <dt>Used</dt>
          <dd>{gpuHours(of.gpuSeconds)}</dd>
        </div>
      ) : null}
    </dl>
  );
}

export function Now({ of }: { of: Run }): JSX.Element {
  const progress = shownProgress(of);
  const waits = of.state === "pending" ? of.pending : null;
  const message = waits?.message || of.message;
  const advice = adviceFor(waits?.reason || of.reason);
  return (
    <section class="card" aria-label="Status">
      <div class="in">
        <div class="now">
          <div class="row">
            <RunStatus of={of} />
            {waits && waits.reason !== of.reason && <span class="soft small">{waits.reason}</span>}
            {waits?.since && <Since at={waits.since} />}
          </div>
          {message && (
            <p class="any-break" data-testid="message">
              <LongText text={sentence(message)} most={600} />
            </p>
          )}
          {advice && <p class="soft small">{advice}</p>}
          {progress && <Progress of={progress} label="Training" />}
        </div>
        <Numbers of={of} />
      </div>
    </section>
  );
}

/** How it failed, with the last lines it wrote. */
export function Failed({ of }: { of: Run }): JSX.Element | null {
  const failure = of.failure;
  if (!failure) return null;
  const lines = (failure.lastLines ?? []).join("\n");
  return (
    <section class="card" aria-label="Failure">
      <div class="head">
        <h2 class="row bad-text">
          <Icon name="error" />
          {failure.reason ?? "Failure"}
        </h2>
        <span class="soft small any-break">
          <LongText text={failureText(failure)} most={200} />
        </span>
        {lines && (
          <span class="push">
            <CopyButton text={lines} what="last lines" />
          </span>
        )}
      </div>
      {lines && (
        <div class="in">
          <p class="soft small">Its last lines:</p>
          <pre class="code last-lines" tabIndex={0} aria-label="Last lines">
            {lines}
          </pre>
        </div>
      )}
    </section>
  );
}
