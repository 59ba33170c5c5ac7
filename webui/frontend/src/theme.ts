// Light, dark or the system's: kept on this browser; theme-early.js applies it before the first paint.
import { Store } from "./lib/store";

export type Theme = "system" | "light" | "dark";
const STORED = "blueno.theme";

function read(): Theme {
  const now = document.documentElement.dataset.theme;
  return now === "light" || now === "dark" ? now : "system";
}

export const theme = new Store<Theme>(read());

export function setTheme(chosen: Theme): void {
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  try {
    if (chosen === "system") localStorage.removeItem(STORED);
    else localStorage.setItem(STORED, chosen);
  } catch {
    // Kept for this page only.
  }
  theme.set(chosen);
}
