// The bar above a sample in full size.
import type { JSX } from "preact";
import type { Sample } from "../api";
import { count } from "../lib/format";
import { Icon, type IconName } from "../ui/icons";
import type { Zoom } from "./zoom";

export const ZOOM_STEP = 1.4;

function Tool({
  label,
  icon,
  onClick,
  disabled = false,
}: {
  label: string;
  icon: IconName;
  onClick: () => void;
  disabled?: boolean;
}): JSX.Element {
  return (
    <button
      type="button"
      class="btn slim icon ghost"
      aria-label={label}
      title={label}
      onClick={onClick}
      disabled={disabled}
    >
      <Icon name={icon} />
    </button>
  );
}

interface Props {
  sample: Sample;
  place: { number: number; total: number } | null;
  /** Address of the original bytes. */
  raw: string;
  zoom: Zoom;
  panel: boolean;
  toggle: () => void;
  move: (by: -1 | 1) => void;
  close: () => void;
}

export function ViewerBar({ sample, place, raw, zoom, panel, toggle, move, close }: Props): JSX.Element {
  const percent = Math.round(zoom.view.scale * 100);
  return (
    <header class="viewer-bar">
      <div class="title">
        <h2 class="mono cut">{sample.key}</h2>
        {place && (
          <span class="tiny soft" aria-live="polite">
            {count(place.number)} of {count(place.total)}
          </span>
        )}
      </div>
      {sample.label !== null && <span class="tag accent cut">{sample.labelText}</span>}
      <span class="push" />
      <Tool label="Previous sample" icon="left" onClick={() => move(-1)} disabled={!place || place.number <= 1} />
      <Tool label="Next sample" icon="right" onClick={() => move(1)} disabled={!place || place.number >= place.total} />
      <span class="zoom-tools row tight">
        <Tool label="Zoom out" icon="minus" onClick={() => zoom.by(1 / ZOOM_STEP)} />
        <button
          type="button"
          class="btn slim ghost scale"
          aria-label={`${percent}%, fit to window`}
          title="Fit to window (0)"
          onClick={zoom.reset}
        >
          {percent}%
        </button>
        <Tool label="Zoom in" icon="plus" onClick={() => zoom.by(ZOOM_STEP)} />
      </span>
      <a class="btn slim icon ghost" href={raw} download aria-label="Download original" title="Download original">
        <Icon name="download" />
      </a>
      <button
        type="button"
        class="btn slim icon ghost"
        aria-label="Details"
        title="Details (i)"
        aria-pressed={panel}
        onClick={toggle}
      >
        <Icon name="info" />
      </button>
      <Tool label="Close" icon="close" onClick={close} />
    </header>
  );
}
