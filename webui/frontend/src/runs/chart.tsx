// One metric of one or several runs as a chart with its values in words below.
import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { duration } from "../lib/format";
import { useLatest, useWidth } from "../lib/hooks";
import { useColours } from "../ui/colours";
import { align, extremes, positive, valueAt, type Axis, type Line } from "./series";
import type { Plot } from "./plot";
import { numberText } from "./words";

export interface ChartLine {
  run: string;
  /** Which colour: 1 for the page's own run. */
  look: number;
  line: Line;
}

interface Props {
  name: string;
  lines: readonly ChartLine[];
  axis: Axis;
  log: boolean;
  /** Whether the highest value is the best; null when nobody knows. */
  highest: boolean | null;
}

const HEIGHT = 200;
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

const xText = (axis: Axis, x: number): string =>
  axis === "step" ? (Math.abs(x) < 10_000 ? numberText(x) : short.format(x)) : duration(x * 3600);

function where(axis: Axis, x: number | null): string {
  if (x === null) return "";
  return axis === "step" ? `step ${x.toLocaleString("en")}` : `after ${duration(x * 3600)}`;
}

/** What a person who does not see the chart is told. */
function summary({ name, lines, axis, highest }: Props): string {
  const parts = lines.map(({ run, line }) => {
    const { last, best, bestAt } = extremes(line, highest === true);
    if (last === null || best === null) return `${run}: no values`;
    if (highest === null) return `${run}: last ${numberText(last)}`;
    return `${run}: last ${numberText(last)}, best ${numberText(best)} at ${where(axis, bestAt)}`;
  });
  return `${name}. ${parts.join("; ")}`;
}

export function Chart(props: Props): JSX.Element {
  const { name, lines, axis, log, highest } = props;
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const width = useWidth(place);
  const colours = useColours();
  const [at, setAt] = useState<number | null>(null);
  const [failed, setFailed] = useState(false);
  const shown = useMemo(() => (log ? lines.map((one) => ({ ...one, line: positive(one.line) })) : lines), [lines, log]);
  const columns = useMemo(() => align(shown.map((one) => one.line)), [shown]);
  const newest = useLatest(columns);
  const looks = lines.map((one) => one.look).join(",");
  const wide = width > 0;

  useEffect(() => {
    let gone = false;
    if (!wide) return undefined;
    void import("./plot").then(
      ({ draw }) => {
        if (gone || !place.current) return;
        const look = {
          text: colours["--soft"] as string,
          grid: colours["--line"] as string,
          font: `11px ${colours["--sans"]}`,
          lines: looks.split(",").map((one) => colours[`--series-${one}`] as string),
        };
        plot.current = draw(
          place.current,
          {
            width: place.current.clientWidth,
            height: HEIGHT,
            log,
            look,
            xText: (x) => xText(axis, x),
            yText: numberText,
            sync: `runs ${axis}`,
            onPoint: setAt,
          },
          newest.current,
        );
      },
      () => setFailed(true),
    );
    return () => {
      gone = true;
      plot.current?.destroy();
      plot.current = null;
    };
  }, [wide, colours, looks, axis, log]);

  useEffect(() => plot.current?.setData(columns), [columns]);
  useEffect(() => void (width > 0 && plot.current?.setWidth(width)), [width]);

  const x = at === null ? undefined : columns[0][at];
  return (
    <figure class="chart">
      <figcaption class="row">
        <span class="cut chart-name" title={name}>
          {name}
        </span>
        <span class="push tiny soft">{x === undefined ? "" : where(axis, x)}</span>
      </figcaption>
      <div ref={place} class="plot" role="img" aria-label={summary(props)} style={{ height: `${HEIGHT}px` }}>
        {failed && <p class="soft small">The chart could not be loaded. Reload the page.</p>}
      </div>
      <ul class="legend">
        {shown.map(({ run, look, line }, i) => {
          const { last, best, bestAt } = extremes(line, highest === true);
          const here = at === null ? null : valueAt(columns[i + 1] as readonly (number | null | undefined)[], at);
          return (
            <li key={run}>
              <i class={`swatch series-${look}`} aria-hidden="true" />
              <span class="cut" title={run}>
                {run}
              </span>
              <span class="mono push">{(here ?? last) === null ? "–" : numberText((here ?? last) as number)}</span>
              {highest !== null && (
                <span class="tiny soft best" title={`${highest ? "Highest" : "Lowest"}: ${where(axis, bestAt)}`}>
                  {best === null ? (log ? "nothing above 0" : "") : `best ${numberText(best)}`}
                </span>
              )}
            </li>
          );
        })}
      </ul>
    </figure>
  );
}
