// Low and high: which intensities become black and white; with the sample's histogram behind.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { About } from "../api";
import type { Window } from "../gallery/state";
import { dtypeName, intensity } from "../lib/format";

const WIDTH = 256;
const HEIGHT = 56;

/** Heights of the histogram's bars, 0 to 1. Roots, because background outnumbers everything else. */
export function barHeights(counts: readonly number[]): number[] {
  const most = Math.max(1, ...counts);
  return counts.map((n) => Math.sqrt(Math.max(0, n) / most));
}

/** An SVG path of the histogram's outline. */
export function outline(counts: readonly number[]): string {
  const heights = barHeights(counts);
  const step = WIDTH / Math.max(1, heights.length);
  const parts = heights.map((h, i) => `L${(i * step).toFixed(1)} ${(HEIGHT * (1 - h)).toFixed(1)}h${step.toFixed(1)}`);
  return `M0 ${HEIGHT}${parts.join("")}L${WIDTH} ${HEIGHT}z`;
}

function NumberField({
  label,
  value,
  onValue,
}: {
  label: string;
  value: number;
  onValue: (value: number) => void;
}): JSX.Element {
  const [typed, setTyped] = useState<string | null>(null);
  useEffect(() => setTyped(null), [value]);
  const tell = (): void => {
    const number = typed === null || typed.trim() === "" ? NaN : Number(typed);
    setTyped(null);
    if (Number.isFinite(number)) onValue(number);
  };
  return (
    <label class="field">
      <span class="tiny soft">{label}</span>
      <input
        class="input slim-input"
        inputMode="decimal"
        value={typed ?? intensity(value)}
        onInput={(event) => setTyped(event.currentTarget.value)}
        onBlur={tell}
        onKeyDown={(event) => event.key === "Enter" && tell()}
      />
    </label>
  );
}

interface Props {
  about: About;
  window: Window | null;
  set: (window: Window | null) => void;
}

export function WindowControl({ about, window, set }: Props): JSX.Element {
  const { low, high } = window ?? about.window;
  const edges = about.histogram.edges;
  const least = Math.min(edges[0] ?? about.min ?? low, low);
  const most = Math.max(edges[edges.length - 1] ?? about.max ?? high, high);
  const span = most - least || 1;
  const whole = /int/.test(dtypeName(about.dtype));
  const tick = whole ? Math.max(1, Math.round(span / 500)) : span / 500;
  const change = (next: Window): void => {
    if (next.low < next.high) set(next);
  };
  const place = (value: number): number => ((value - least) / span) * WIDTH;
  return (
    <section class="window" aria-label="Window">
      <div class="row">
        <h2>Window</h2>
        <span class="tiny soft">
          {intensity(about.min)} … {intensity(about.max)}
        </span>
        <button type="button" class="btn slim ghost push" disabled={!window} onClick={() => set(null)}>
          Automatic
        </button>
      </div>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`Histogram of intensities from ${intensity(about.min)} to ${intensity(about.max)}`}
      >
        <rect class="inside" x={place(low)} width={Math.max(0, place(high) - place(low))} height={HEIGHT} />
        <path d={outline(about.histogram.counts)} />
      </svg>
      <input
        type="range"
        aria-label="Low"
        min={least}
        max={most}
        step={tick}
        value={low}
        onInput={(event) => change({ low: Math.min(event.currentTarget.valueAsNumber, high - tick), high })}
      />
      <input
        type="range"
        aria-label="High"
        min={least}
        max={most}
        step={tick}
        value={high}
        onInput={(event) => change({ low, high: Math.max(event.currentTarget.valueAsNumber, low + tick) })}
      />
      <div class="row">
        <NumberField label="Low" value={low} onValue={(value) => change({ low: value, high })} />
        <NumberField label="High" value={high} onValue={(value) => change({ low, high: value })} />
      </div>
    </section>
  );
}
