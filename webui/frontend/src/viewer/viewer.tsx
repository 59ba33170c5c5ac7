// One sample in full size: zoom, slices of volumes, the window of intensities, and the samples before and after.
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { SampleFacts } from "../gallery/info";
import { sized, type Shelf, type Shown } from "../gallery/shelf";
import { AXES, type GalleryState } from "../gallery/state";
import { usePicture } from "../lib/picture";
import { useQuery } from "../lib/query";
import { Modal } from "../ui/dialog";
import { ErrorNote, WaitingNote } from "../ui/errors";
import { JsonTree } from "../ui/json";
import { ViewerBar, ZOOM_STEP } from "./bar";
import { AXIS_KEYS, isVolume, needsWindow, sliceAt, sliceCount } from "./volume";
import { WindowControl } from "./window";
import { useZoom } from "./zoom";

interface Props {
  shelf: Shelf;
  sample: Shown;
  state: GalleryState;
  set: (patch: Partial<GalleryState>, replace?: boolean) => void;
  place: { number: number; total: number } | null;
  step: (by: -1 | 1) => boolean;
  close: () => void;
}

// CSS pixels for each pixel from which on pixels are shown as squares.
const PIXELS_FROM = 3;

function Slices({ sample, state, set }: Pick<Props, "sample" | "state" | "set">): JSX.Element {
  const slices = sliceCount(sample, state.axis);
  const at = sliceAt(state.slice, slices);
  return (
    <div class="slices">
      <div class="segments" role="group" aria-label="Plane">
        {AXES.map((axis) => (
          <button
            type="button"
            key={axis}
            aria-pressed={axis === state.axis}
            onClick={() => set({ axis, slice: null }, true)}
          >
            {axis}
          </button>
        ))}
      </div>
      <input
        type="range"
        aria-label="Slice"
        aria-valuetext={`${at + 1} of ${slices}`}
        min={0}
        max={slices - 1}
        step={1}
        value={at}
        onInput={(event) => set({ slice: event.currentTarget.valueAsNumber }, true)}
      />
      <output class="small">
        {at + 1} / {slices}
      </output>
    </div>
  );
}

export function Viewer({ shelf, sample: given, state, set, place, step, close }: Props): JSX.Element {
  const stage = useRef<HTMLDivElement>(null);
  const [panel, setPanel] = useState(() => window.innerWidth > 900);
  const unknown = given.unsealed !== undefined;
  const about = useQuery(
    unknown || needsWindow(given) ? `about ${shelf.key} ${given.key} ${given.sha256} ${given.row}` : null,
    (how) => shelf.about(given, how),
    { immutable: true },
  );
  const sample = sized(given, about.outdated ? undefined : about.data);
  const volume = isVolume(sample);
  const windowed = needsWindow(sample);
  const slices = volume ? sliceCount(sample, state.axis) : 1;
  const slice = sliceAt(state.slice, slices);
  // Whether it is a volume is not known before one has looked into it.
  const source = unknown && about.loading ? null : shelf.image(sample, {
    axis: volume ? state.axis : undefined,
    slice: volume ? slice : undefined,
    low: windowed ? state.window?.low : undefined,
    high: windowed ? state.window?.high : undefined,
  });
  const shown = usePicture(source, true);
  const picture = shown.picture;
  const bySlices = (by: number): void => set({ slice: Math.min(slices - 1, Math.max(0, slice + by)) }, true);
  const zoom = useZoom(
    stage,
    picture ?? { width: 0, height: 0 },
    `${sample.row} ${state.axis}`,
    volume ? bySlices : null,
  );
  const { scale, x, y } = zoom.view;
  const planes = Object.entries(AXIS_KEYS).map(([key, axis]) => [key, () => set({ axis, slice: null }, true)] as const);
  const move = (by: -1 | 1) => (): void => void step(by);
  const keys = {
    ArrowLeft: move(-1),
    ArrowRight: move(1),
    h: move(-1),
    l: move(1),
    p: move(-1),
    n: move(1),
    "+": () => zoom.by(ZOOM_STEP),
    "=": () => zoom.by(ZOOM_STEP),
    "-": () => zoom.by(1 / ZOOM_STEP),
    "0": zoom.reset,
    "1": zoom.actual,
    i: () => setPanel(!panel),
    ...(volume
      ? {
          ArrowUp: () => bySlices(1),
          ArrowDown: () => bySlices(-1),
          k: () => bySlices(1),
          j: () => bySlices(-1),
          ...Object.fromEntries(planes),
        }
      : {}),
  };
  const busy = picture?.source !== source && !shown.error;
  return (
    <Modal label={`Sample ${sample.key}`} class="viewer" onClose={close} keys={keys}>
      <ViewerBar
        sample={sample}
        place={place}
        raw={shelf.raw(sample)}
        zoom={zoom}
        panel={panel}
        toggle={() => setPanel(!panel)}
        move={(by) => void step(by)}
        close={close}
      />
      <div class={panel ? "viewer-body with-panel" : "viewer-body"}>
        <div class="viewer-main">
          <div ref={stage} class={`stage${zoom.fitted ? "" : " free"}`} aria-busy={busy} {...zoom.handlers}>
            {picture && (
              <img
                src={picture.url}
                width={picture.width}
                height={picture.height}
                draggable={false}
                class={scale * window.devicePixelRatio >= PIXELS_FROM ? "pixelated" : undefined}
                alt={sample.label === null ? sample.key : `${sample.key}, label ${sample.labelText}`}
                style={{ transform: `translate(-50%, -50%) translate(${x}px, ${y}px) scale(${scale})` }}
              />
            )}
            {(shown.waiting || shown.error) && (
              <div class="stage-note">
                {shown.waiting && <WaitingNote waiting={shown.waiting} what="The picture" />}
                {shown.error && <ErrorNote problem={shown.error} retry={shown.retry} />}
              </div>
            )}
          </div>
          {volume && <Slices sample={sample} state={state} set={set} />}
        </div>
        {panel && (
          <aside class="viewer-panel" aria-label="Details">
            <SampleFacts sample={sample} />
            {about.data && windowed && (
              <div class={about.outdated ? "fading" : undefined}>
                <WindowControl about={about.data} window={state.window} set={(next) => set({ window: next }, true)} />
              </div>
            )}
            {about.error && <ErrorNote problem={about.error} retry={about.reload} />}
            {sample.metadata !== null && <JsonTree value={sample.metadata} />}
          </aside>
        )}
      </div>
    </Modal>
  );
}
