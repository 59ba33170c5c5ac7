// Zoom and pan: arithmetic first (pure, tested), then the hook that connects it to wheel, pointers and keys.
import { useEffect, useState } from "preact/hooks";
import type { RefObject, TargetedPointerEvent } from "preact";
import { useLatest } from "../lib/hooks";

export interface View {
  /** CSS pixels for each pixel of the picture. */
  scale: number;
  /** The picture's centre, from the stage's centre, in CSS pixels. */
  x: number;
  y: number;
}

export interface Box {
  width: number;
  height: number;
}

const MAX_SCALE = 64;
const TINY = 256; // pictures up to this side are enlarged until they fill the stage
const SMALL = 1024; // those up to this one at most twice: a blurred wall helps nobody

/** Fits the stage; tiny pictures are enlarged by whole numbers, so that every pixel is the same square. */
export function fit(picture: Box, stage: Box): number {
  if (!picture.width || !picture.height || !stage.width || !stage.height) return 1;
  const scale = Math.min(stage.width / picture.width, stage.height / picture.height);
  if (scale < 1) return scale;
  const side = Math.max(picture.width, picture.height);
  if (side > TINY) return side > SMALL ? 1 : Math.min(2, scale);
  return Math.min(MAX_SCALE, Math.max(1, Math.floor(scale)));
}

/** Zooms by a factor so that the point under the pointer stays there (both from the stage's centre). */
export function zoomAt(view: View, factor: number, at: { x: number; y: number }, least: number): View {
  const scale = Math.min(MAX_SCALE, Math.max(Math.min(least, 1), view.scale * factor));
  const ratio = scale / view.scale;
  return { scale, x: at.x - (at.x - view.x) * ratio, y: at.y - (at.y - view.y) * ratio };
}

/** Keeps the picture in sight: it cannot be moved further than its own edge to the middle of the stage. */
export function held(view: View, picture: Box): View {
  const x = (picture.width * view.scale) / 2;
  const y = (picture.height * view.scale) / 2;
  return { ...view, x: Math.min(x, Math.max(-x, view.x)), y: Math.min(y, Math.max(-y, view.y)) };
}

export interface Zoom {
  view: View;
  fitted: boolean;
  by: (factor: number) => void;
  reset: () => void;
  actual: () => void;
  handlers: {
    onPointerDown: (event: TargetedPointerEvent<HTMLElement>) => void;
    onPointerMove: (event: TargetedPointerEvent<HTMLElement>) => void;
    onPointerUp: (event: TargetedPointerEvent<HTMLElement>) => void;
    onPointerCancel: (event: TargetedPointerEvent<HTMLElement>) => void;
    onDblClick: () => void;
  };
}

const CENTRE = { x: 0, y: 0 };

/** `onWheelStep`: what a wheel without modifier does instead of zooming (slices of volumes). */
export function useZoom(
  stage: RefObject<HTMLElement | null>,
  picture: Box,
  key: string,
  onWheelStep: ((step: number) => void) | null,
): Zoom {
  const [box, setBox] = useState<Box>({ width: 0, height: 0 });
  const [free, setFree] = useState<{ key: string; view: View } | null>(null);
  const [pointers] = useState(() => new Map<number, { x: number; y: number }>());
  const base = fit(picture, box);
  const fitted = free === null || free.key !== key;
  const view = fitted ? { scale: base, x: 0, y: 0 } : free.view;
  const now = useLatest({ view, picture, key, base, onWheelStep });

  const to = (next: View): void => setFree({ key: now.current.key, view: held(next, now.current.picture) });
  const at = (event: { clientX: number; clientY: number }): { x: number; y: number } => {
    const rect = stage.current?.getBoundingClientRect();
    return rect
      ? { x: event.clientX - rect.left - rect.width / 2, y: event.clientY - rect.top - rect.height / 2 }
      : CENTRE;
  };

  useEffect(() => {
    const element = stage.current;
    if (!element) return undefined;
    const measure = (): void => setBox({ width: element.clientWidth, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    let rest = 0;
    const onWheel = (event: WheelEvent): void => {
      event.preventDefault(); // the page must not scroll or zoom; only a listener that says so beforehand may do this
      const { view: old, base: least, onWheelStep: step } = now.current;
      const pixels = event.deltaY * (event.deltaMode === 1 ? 30 : 1);
      if (!step || event.ctrlKey || event.shiftKey) {
        to(zoomAt(old, Math.exp(-pixels / 300), at(event), least));
        return;
      }
      rest += pixels;
      const steps = Math.trunc(rest / 40);
      rest -= steps * 40;
      if (steps) step(steps);
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => {
      observer.disconnect();
      element.removeEventListener("wheel", onWheel);
    };
  }, []);

  const onPointerDown = (event: TargetedPointerEvent<HTMLElement>): void => {
    if (event.button !== 0) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
  };
  const onPointerMove = (event: TargetedPointerEvent<HTMLElement>): void => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const after = at(event);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    pointers.set(event.pointerId, after);
    if (other) {
      const distance = (p: { x: number; y: number }): number => Math.hypot(p.x - other.x, p.y - other.y);
      const middle = { x: (after.x + other.x) / 2, y: (after.y + other.y) / 2 };
      if (distance(before) > 0)
        to(zoomAt(now.current.view, distance(after) / distance(before), middle, now.current.base));
    } else {
      const old = now.current.view;
      to({ ...old, x: old.x + after.x - before.x, y: old.y + after.y - before.y });
    }
  };
  const lift = (event: TargetedPointerEvent<HTMLElement>): void => void pointers.delete(event.pointerId);
  const actual = (): void => to({ scale: 1, x: 0, y: 0 });
  const reset = (): void => setFree(null);
  return {
    view,
    fitted,
    by: (factor) => to(zoomAt(now.current.view, factor, CENTRE, now.current.base)),
    reset,
    actual,
    handlers: {
      onPointerDown,
      onPointerMove,
      onPointerUp: lift,
      onPointerCancel: lift,
      onDblClick: () => (fitted ? actual() : reset()),
    },
  };
}
