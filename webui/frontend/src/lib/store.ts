// A value that components can watch: the whole of this application's state management.
import { useEffect, useRef, useState } from "preact/hooks";

export class Store<T> {
  private listeners = new Set<() => void>();

  constructor(private current: T) {}

  get(): T {
    return this.current;
  }

  set(value: T): void {
    if (Object.is(value, this.current)) return;
    this.current = value;
    for (const listener of [...this.listeners]) listener();
  }

  /** Calls back after every change; the result ends that. */
  watch(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

/** The part of a store that `select` names; the component renders again only when that part changes. */
export function useStore<T>(store: Store<T>): T;
export function useStore<T, S>(store: Store<T>, select: (value: T) => S): S;
export function useStore<T, S>(store: Store<T>, select?: (value: T) => S): T | S {
  const pick = (): T | S => (select ? select(store.get()) : store.get());
  const [, rerender] = useState(0);
  const shown = pick();
  const last = useRef({ pick, shown });
  last.current = { pick, shown };
  useEffect(() => {
    const look = (): void => {
      if (!Object.is(last.current.pick(), last.current.shown)) rerender((n) => n + 1);
    };
    look(); // it may have changed between rendering and this effect
    return store.watch(look);
  }, [store]);
  return shown;
}
