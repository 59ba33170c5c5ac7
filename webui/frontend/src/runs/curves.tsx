// The metrics of a run over its steps, with other runs laid over them.
import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Metrics, Run } from "../api-runs";
import { asProblem, type Problem } from "../client";
import type { Fetching } from "../endpoints";
import { getMetrics } from "../endpoints-runs";
import { plural } from "../lib/format";
import { useQuery } from "../lib/query";
import { useRevision } from "../live/revision";
import { RUN_KIND } from "../names";
import { Bones, ErrorNote } from "../ui/errors";
import { Chart, type ChartLine } from "./chart";
import { ChooseAxis, ChooseMetrics, CompareWith } from "./curves-choice";
import type { Other } from "./others";
import { chosenMetrics, lineOf, moreIsBetter, startOf, usualAxis } from "./series";
import type { RunView } from "./state";
import { mayGrow } from "./words";

const POINTS = 500;
const FEWEST_POINTS = 2; // that the server gives; only the names are wanted then
// Metrics that a program prints reach the database without a change of the run: look again while it runs.
const LOOK_EVERY = 15_000;

interface Drawn {
  run: Run;
  look: number;
}

interface Curve extends Drawn {
  metrics: Metrics | null;
  problem: Problem | null;
}

interface Fetched {
  names: string[];
  picks: string[];
  curves: Curve[];
}

async function fetchOne({ run, look }: Drawn, picks: readonly string[], how: Fetching): Promise<Curve> {
  try {
    const metrics = await getMetrics(run, { name: picks.join(","), points: POINTS }, how);
    return { run, look, metrics, problem: null };
  } catch (error) {
    if (how.signal?.aborted) throw error;
    return { run, look, metrics: null, problem: asProblem(error) };
  }
}

/** The chosen metrics of all runs: which names there are first, then their points. */
async function fetchCurves(runs: readonly Drawn[], chosen: readonly string[], how: Fetching): Promise<Fetched> {
  const own = (runs[0] as Drawn).run;
  const { names } = await getMetrics(own, { points: FEWEST_POINTS }, how);
  const picks = chosenMetrics(names, chosen, own.objective);
  if (picks.length === 0) return { names, picks, curves: [] };
  return { names, picks, curves: await Promise.all(runs.map((one) => fetchOne(one, picks, how))) };
}

/** Counts up while somebody looks at a run that goes on, or was over a moment ago. */
function useLooks(going: boolean): number {
  const [looks, setLooks] = useState(0);
  useEffect(() => {
    if (!going) return undefined;
    const timer = window.setInterval(() => document.hidden || setLooks((n) => n + 1), LOOK_EVERY);
    return () => window.clearInterval(timer);
  }, [going]);
  return looks;
}

interface Props {
  of: Run;
  others: readonly Other[];
  view: RunView;
  change: (patch: Partial<RunView>) => void;
}

/** The lines of one chart. */
function linesOf(name: string, curves: readonly Curve[], axis: "step" | "time"): ChartLine[] {
  return curves.flatMap(({ run, look, metrics }) => {
    const series = metrics?.series.find((one) => one.name === name);
    if (!metrics || !series) return [];
    return [{ run: run.name, look, line: lineOf(series.points, axis, startOf(run.startedAt, metrics)) }];
  });
}

export function Curves({ of, others, view, change }: Props): JSX.Element {
  const runs: Drawn[] = [{ run: of, look: 1 }, ...others.flatMap(({ run, look }) => (run ? [{ run, look }] : []))];
  const shown = new Set(runs.map(({ run }) => run.name));
  const revision = useRevision(
    (event) => event.kind === RUN_KIND && event.namespace === of.namespace && shown.has(event.name),
    undefined,
    5000,
  );
  const looks = useLooks(runs.some(({ run }) => mayGrow(run)));
  // A slow answer is waited for: asked for anew with every change, it would never come.
  const busy = useRef(false);
  const turn = useRef(0);
  if (!busy.current) turn.current = revision + looks;
  const key = [...runs.map(({ run, look }) => `${look} ${run.uid}`), ...view.metrics, turn.current].join("\n");
  const fetched = useQuery(`metrics ${key}`, (how) => fetchCurves(runs, view.metrics, how));
  busy.current = fetched.loading;
  const data = fetched.data;
  const axis = view.axis ?? usualAxis(data?.curves.map((one) => one.metrics) ?? []);
  const charts = useMemo(
    () => data?.picks.map((name) => ({ name, lines: linesOf(name, data.curves, axis) })) ?? [],
    [data, axis],
  );
  // What is ticked shows at once; its chart when its points are here.
  const picks = chosenMetrics(data?.names ?? [], view.metrics, of.objective);
  const troubled = data?.curves.filter((one) => one.problem) ?? [];
  return (
    <section class="card" aria-label="Metrics">
      <div class="head tools">
        <h2>Metrics</h2>
        <div class="tools push">
          {data && data.names.length > 0 && (
            <>
              <ChooseMetrics names={data.names} picks={picks} choose={(metrics) => change({ metrics })} />
              <ChooseAxis axis={axis} log={view.log} change={change} />
            </>
          )}
        </div>
      </div>
      <div class="in">
        {fetched.error && <ErrorNote problem={fetched.error} retry={fetched.reload} />}
        {!data && fetched.loading && <Bones lines={4} height={22} />}
        {data && data.names.length === 0 && (
          <p class="soft small">
            No metrics were reported yet. Report some with <code>blueno.report(step=step, loss=loss)</code>, or print JSON
            lines and set <code>metrics.stdout</code>.
          </p>
        )}
        {troubled.map((one) => (
          <p key={one.run.uid} class="soft small any-break">
            The metrics of {one.run.name} could not be had: {one.problem?.message}
          </p>
        ))}
        {charts.length > 0 && (
          <div class="charts">
            {charts.map(({ name, lines }) => (
              <Chart
                key={name}
                name={name}
                lines={lines}
                axis={axis}
                log={view.log}
                highest={moreIsBetter(name, of.objective)}
              />
            ))}
          </div>
        )}
        {data && data.names.length > picks.length && (
          <p class="soft tiny">{plural(data.names.length - picks.length, "other metric")} can be chosen above.</p>
        )}
        <CompareWith of={of} names={view.compare} choose={(compare) => change({ compare })} />
      </div>
    </section>
  );
}
