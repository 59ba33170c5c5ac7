// Small hooks that several pages use.
import { useEffect, useRef, useState } from "preact/hooks";
import type { RefObject } from "preact";
import { age, ageStep, moment } from "./format";
import { Store, useStore } from "./store";

/** `value` as it was when it last stayed the same for `ms`. */
export function useSettled<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    if (Object.is(value, settled)) return undefined;
    const timer = window.setTimeout(() => setSettled(() => value), ms);
    return () => window.clearTimeout(timer);
  }, [value, ms, settled]);
  return settled;
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · Blueno` : "Blueno";
  }, [title]);
}

/** Width of an element's content in CSS pixels; 0 before it is known. */
export function useWidth(ref: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = ref.current;
    if (!element) return undefined;
    setWidth(element.clientWidth);
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return width;
}

const clock = new Store(Date.now());

/** One clock for all ages on a page; it stands still while nobody looks. */
export function startClock(): void {
  const tick = (): void => {
    if (!document.hidden) clock.set(Date.now());
  };
  window.setInterval(tick, 1000);
  document.addEventListener("visibilitychange", tick);
}

/** Milliseconds since the epoch, changing once a second. */
export function useNow(): number {
  return useStore(clock);
}

/** An age that renders again only when its text changes, and its moment for a title. */
export function useAge(at: string): { text: string; title: string } {
  const then = Date.parse(at);
  // A step of the clock that is as long as the text stands: rows of yesterday do not render every second.
  const now = useStore(clock, (time) => {
    const step = ageStep(time - then);
    return time - ((time - then) % step);
  });
  return { text: age(at, now), title: moment(at) };
}

/** A ref that always holds the newest value, for callbacks that outlive a render. */
export function useLatest<T>(value: T): { readonly current: T } {
  const ref = useRef(value);
  ref.current = value;
  return ref;
}
