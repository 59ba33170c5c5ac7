// The design's colours for what CSS cannot paint: canvases.
import { useEffect } from "preact/hooks";
import { Store, useStore } from "../lib/store";
import { theme } from "../theme";

export type Colours = Readonly<Record<string, string>>;

/** Lines of a chart have this many colours; tokens.css has them. */
export const SERIES = 6;
const NAMES = ["--soft", "--line", "--sans", ...Array.from({ length: SERIES }, (_, i) => `--series-${i + 1}`)];

function read(): Colours {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(name).trim()]));
}

const colours = new Store<Colours>({});

function refresh(): void {
  const next = read();
  if (NAMES.some((name) => next[name] !== colours.get()[name])) colours.set(next);
}

/** The colours of the theme that is shown; another object when they change. */
export function useColours(): Colours {
  useEffect(() => {
    refresh();
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", refresh);
    const stop = theme.watch(refresh);
    return () => {
      dark.removeEventListener("change", refresh);
      stop();
    };
  }, []);
  return useStore(colours);
}
