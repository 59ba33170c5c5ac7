// Which slices a volume has. Pure.
import type { Sample } from "../api";
import type { Axis } from "../gallery/state";
import { dtypeName } from "../lib/format";

export const AXIS_KEYS: Record<string, Axis> = { x: "sagittal", y: "coronal", z: "axial" };

export function isVolume(sample: Pick<Sample, "depth">): boolean {
  return sample.depth > 1;
}

/** How many slices there are along an axis. */
export function sliceCount(sample: Pick<Sample, "width" | "height" | "depth">, axis: Axis): number {
  if (axis === "axial") return sample.depth;
  return axis === "coronal" ? sample.height : sample.width;
}

/** The slice that is shown: the one asked for as far as there is one, else the middle one. */
export function sliceAt(wanted: number | null, slices: number): number {
  if (wanted === null) return Math.floor(slices / 2);
  return Math.min(Math.max(0, wanted), slices - 1);
}

/** Whether intensities need a window to become grey values. */
export function needsWindow(sample: Pick<Sample, "dtype">): boolean {
  return !["uint8", "bool"].includes(dtypeName(sample.dtype));
}
