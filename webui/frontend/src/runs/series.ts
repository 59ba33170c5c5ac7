// Metric points of several runs as the columns of one chart. Pure.
import type { MetricPoint, Metrics, Objective } from "../api-runs";

export type Axis = "step" | "time";

/** One line of a chart: x ascending, each x once; y null where the value is no number. */
export interface Line {
  x: number[];
  y: (number | null)[];
}

/** Points as a line over steps, or over hours since `start` (ms since the epoch).
 *
 * After a resume a run does some steps again: of each step the value of the newest attempt counts. Points without a
 * step have no place on an axis of steps. */
export function lineOf(points: readonly MetricPoint[], axis: Axis, start: number): Line {
  const at = new Map<number, number | null>();
  for (const [step, moment, value] of points) {
    const x = axis === "step" ? step : (Date.parse(moment) - start) / 3_600_000;
    if (x === null || !Number.isFinite(x)) continue;
    at.set(x, value !== null && Number.isFinite(value) ? value : null);
  }
  const x = [...at.keys()].sort((a, b) => a - b);
  return { x, y: x.map((one) => at.get(one) as number | null) };
}

/** Lines over one common x, as uPlot wants them: undefined where a line has no point (it is drawn through), null
 * where it has a gap. */
export function align(lines: readonly Line[]): [number[], ...(number | null | undefined)[][]] {
  const x = [...new Set(lines.flatMap((line) => line.x))].sort((a, b) => a - b);
  const place = new Map(x.map((one, i) => [one, i]));
  const columns = lines.map((line) => {
    const column = new Array<number | null | undefined>(x.length).fill(undefined);
    line.x.forEach((one, i) => {
      column[place.get(one) as number] = line.y[i];
    });
    return column;
  });
  return [x, ...columns];
}

/** The axis for these points when nobody chose one: steps, unless there are none. */
export function usualAxis(metrics: readonly (Metrics | null)[]): Axis {
  const points = metrics.flatMap((one) => one?.series.flatMap((series) => series.points) ?? []);
  return points.length === 0 || points.some(([step]) => step !== null) ? "step" : "time";
}

/** Where a run's hours begin: its start, or its first point when that is not known. */
export function startOf(startedAt: string | null, metrics: Metrics): number {
  const started = Date.parse(startedAt ?? "");
  if (!Number.isNaN(started)) return started;
  const first = Math.min(...metrics.series.flatMap((one) => one.points.slice(0, 1).map(([, at]) => Date.parse(at))));
  return Number.isFinite(first) ? first : 0;
}

export const MOST_CHARTS = 12;
const USUAL_CHARTS = 4;

/** Which metrics are drawn: the chosen ones that exist, else the objective and the first few. */
export function chosenMetrics(names: readonly string[], chosen: readonly string[], objective: Objective | null): string[] {
  const known = chosen.filter((name) => names.includes(name));
  if (known.length > 0) return known.slice(0, MOST_CHARTS);
  // Those of which one knows what is good tell more than a learning rate or a time.
  const rank = (name: string): number => (name === objective?.name ? 0 : moreIsBetter(name, objective) === null ? 2 : 1);
  const ordered = [...names].sort((a, b) => rank(a) - rank(b));
  return ordered.slice(0, USUAL_CHARTS);
}

export interface Extremes {
  last: number | null;
  best: number | null;
  /** Where the best one is, on the line's own axis. */
  bestAt: number | null;
}

/** Last and best value: the highest where the objective says maximize, else the lowest. */
export function extremes(line: Line, highest: boolean): Extremes {
  let best: number | null = null;
  let bestAt: number | null = null;
  let last: number | null = null;
  line.y.forEach((value, i) => {
    if (value === null) return;
    last = value;
    if (best !== null && (highest ? value <= best : value >= best)) return;
    best = value;
    bestAt = line.x[i] as number;
  });
  return { last, best, bestAt };
}

const LESS = /loss|err|perplexity|(^|[^a-z])(mae|mse|rmse|wer|cer|fid)([^a-z]|$)/i;
const MORE = /acc|auc|(^|[^a-z])f1([^a-z]|$)|dice|iou|precision|recall|score|reward|bleu/i;

/** Whether more is better: as the objective says, for others by their usual names; null where nobody knows. */
export function moreIsBetter(name: string, objective: Objective | null): boolean | null {
  if (name === objective?.name) return objective.direction !== "minimize";
  if (LESS.test(name)) return false;
  return MORE.test(name) ? true : null;
}

/** A line for a logarithmic scale: what is not above zero is a gap. */
export function positive(line: Line): Line {
  return { x: line.x, y: line.y.map((value) => (value !== null && value > 0 ? value : null)) };
}

/** The value of a column at an index, or the newest one before it where the line has no point there. */
export function valueAt(column: readonly (number | null | undefined)[], at: number): number | null {
  for (let i = Math.min(at, column.length - 1); i >= 0; i -= 1) {
    const value = column[i];
    if (value !== undefined) return value;
  }
  return null;
}
