// Moving through samples by keys: within a page, and over its edges to the next one.
import { useEffect, useRef } from "preact/hooks";
import type { Sample } from "../api";
import type { KeyMap } from "../lib/keys";
import { pageStep } from "../lib/paging";
import type { GalleryState } from "./state";

interface Props {
  state: GalleryState;
  set: (patch: Partial<GalleryState>, replace?: boolean) => void;
  items: readonly Sample[];
  total: number;
  columns: number;
  /** The items are those of the position in the state. */
  settled: boolean;
}

export interface Selection {
  keys: KeyMap;
  choose: (row: number) => void;
  /** To the sample before or after, on another page if need be; false at either end. */
  step: (by: -1 | 1) => boolean;
}

/** Where a move leads: an index on this page, or off one of its edges. */
export function target(at: number, by: number, count: number): number | "before" | "after" {
  if (at < 0) return by >= 0 ? 0 : count - 1;
  const to = at + by;
  if (to < 0) return "before";
  return to < count ? to : "after";
}

function focusCell(row: number): void {
  const cell = document.querySelector<HTMLElement>(`[role="gridcell"][data-row="${row}"]`);
  cell?.focus({ preventScroll: true });
  cell?.scrollIntoView({ block: "nearest" });
}

export function useSelection({ state, set, items, total, columns, settled }: Props): Selection {
  const arriving = useRef<"first" | "last" | null>(null);
  const at = items.findIndex((one) => one.row === state.sample);

  useEffect(() => {
    if (!settled || !arriving.current || items.length === 0) return;
    const sample = items[arriving.current === "first" ? 0 : items.length - 1] as Sample;
    arriving.current = null;
    set({ sample: sample.row }, true);
    if (!state.expanded) requestAnimationFrame(() => focusCell(sample.row));
  }, [settled, items]);

  const choose = (row: number): void => {
    set({ sample: row, slice: null }, state.sample !== null);
    requestAnimationFrame(() => focusCell(row));
  };
  const move = (by: number, focus: boolean): boolean => {
    if (!settled || items.length === 0) return false;
    const to = target(at, by, items.length);
    if (typeof to === "number") {
      const row = (items[to] as Sample).row;
      set({ sample: row, slice: null }, state.sample !== null);
      if (focus) requestAnimationFrame(() => focusCell(row));
      return true;
    }
    const position = pageStep(state.position, total, state.size, to === "before" ? -1 : 1);
    if (position === null) return false;
    arriving.current = to === "before" ? "last" : "first";
    set({ position, slice: null }, true);
    return true;
  };
  // Arrow keys belong to whatever has the focus; without any, or in the grid, they move the selection.
  const arrow = (by: number) => (): void | false => {
    const focused = document.activeElement;
    const free =
      !focused || focused === document.body || focused.id === "main" || focused.closest('[role="grid"]') !== null;
    if (!free) return false;
    move(by, true);
    return undefined;
  };
  const edge = (last: boolean) => (): void | false => {
    if (!document.activeElement?.closest('[role="grid"]') || items.length === 0) return false;
    choose((items[last ? items.length - 1 : 0] as Sample).row);
    return undefined;
  };
  const keys: KeyMap = {
    ArrowLeft: arrow(-1),
    ArrowRight: arrow(1),
    ArrowUp: arrow(-columns),
    ArrowDown: arrow(columns),
    Home: edge(false),
    End: edge(true),
    h: () => void move(-1, true),
    l: () => void move(1, true),
    k: () => void move(-columns, true),
    j: () => void move(columns, true),
    Enter: () => {
      const focused = document.activeElement?.closest<HTMLElement>('[role="gridcell"]');
      if (focused) set({ sample: Number(focused.dataset.row), expanded: true });
      else if (state.sample !== null && document.activeElement === document.body) set({ expanded: true });
      else return false;
      return undefined;
    },
    Escape: () => (state.sample === null ? false : set({ sample: null }, true)),
  };
  return { keys, choose, step: (by) => move(by, false) };
}
