// Keyboard: single keys and two-key sequences ("g d"). The topmost layer (an open dialog) hides those below it.
import { useLayoutEffect } from "preact/hooks";
import { useLatest } from "./hooks";
import { Store } from "./store";

/** What a key does; `false` leaves the key to the browser. */
export type KeyHandler = (event: KeyboardEvent) => void | false;
export type KeyMap = Record<string, KeyHandler>;

interface Layer {
  modal: boolean;
  keys: { readonly current: KeyMap };
}

const layers: Layer[] = [];
const SEQUENCE_MS = 900;
let prefix = "";
let prefixAt = 0;

const STORED = "blueno.shortcuts";

function stored(): boolean {
  try {
    return localStorage.getItem(STORED) !== "off";
  } catch {
    return true;
  }
}

/** Whether keys without a modifier do anything: people who dictate switch them off. */
export const shortcuts = new Store(stored());

export function setShortcuts(on: boolean): void {
  shortcuts.set(on);
  try {
    localStorage.setItem(STORED, on ? "on" : "off");
  } catch {
    // Kept for this page only.
  }
}

function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement)
    return true;
  return target instanceof HTMLInputElement && !["checkbox", "radio", "button"].includes(target.type);
}

/** Arrow keys and the like are a control's own and never switched off; printable ones are shortcuts. */
function isShortcut(key: string): boolean {
  return key.length === 1;
}

/** Finds the handler for a key within the visible layers: exported for its test. */
export function resolve(stack: readonly { modal: boolean; keys: KeyMap }[], key: string): KeyHandler | null {
  for (let i = stack.length - 1; i >= 0; i -= 1) {
    const layer = stack[i] as { modal: boolean; keys: KeyMap };
    const found = layer.keys[key];
    if (found) return found;
    if (layer.modal) return null;
  }
  return null;
}

function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (typing(event.target) && event.key !== "Escape") return;
  if (isShortcut(event.key) && !shortcuts.get()) return;
  const visible = layers.map(({ modal, keys }) => ({ modal, keys: keys.current }));
  const sequence = prefix && event.timeStamp - prefixAt < SEQUENCE_MS ? `${prefix} ${event.key}` : "";
  prefix = "";
  const found = (sequence && resolve(visible, sequence)) || resolve(visible, event.key);
  if (found) {
    if (found(event) !== false) event.preventDefault();
    return;
  }
  if (/^[a-z]$/.test(event.key)) {
    prefix = event.key;
    prefixAt = event.timeStamp;
  }
}

export function startKeys(): void {
  document.addEventListener("keydown", onKey);
}

/** Handles keys while the component is shown. */
export function useKeys(keys: KeyMap, modal = false): void {
  const latest = useLatest(keys);
  // A layout effect: others are undone only after the next paint, and until then a closed dialog would take the keys.
  useLayoutEffect(() => {
    const layer = { modal, keys: latest };
    layers.push(layer);
    return () => {
      layers.splice(layers.indexOf(layer), 1);
    };
  }, [modal]);
}
