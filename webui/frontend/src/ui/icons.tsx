// Line icons of 16 pixels, drawn here; decoration only, so hidden from readers of the page's text.
import type { JSX } from "preact";

const PATHS = {
  check: "M3.5 8.5l3 3 6-7",
  alert: "M8 2.2 14.5 13.5h-13zM8 6.5v3.2M8 11.6v.1",
  error: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8M8 4.8v3.6M8 10.9v.1",
  info: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8M8 7.4v3.6M8 5v.1",
  busy: "M8 1.8A6.2 6.2 0 1 1 1.8 8",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  clock: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8M8 4.6V8l2.3 1.6",
  search: "M7 2.2a4.8 4.8 0 1 0 0 9.6 4.8 4.8 0 0 0 0-9.6M10.6 10.6l3.2 3.2",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  close: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  left: "M10 3 5 8l5 5",
  right: "M6 3l5 5-5 5",
  first: "M12 3 7 8l5 5M4 3v10",
  last: "M4 3l5 5-5 5M12 3v10",
  down: "M3 6l5 5 5-5",
  expand: "M9.5 2.5h4v4M6.5 13.5h-4v-4M13.5 2.5l-5 5M2.5 13.5l5-5",
  download: "M8 2v8.5M4.5 7.5 8 11l3.5-3.5M2.5 13.8h11",
  sun: "M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6M8 1v1.4M8 13.6V15M1 8h1.4M13.6 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1",
  moon: "M13.6 9.6A6 6 0 0 1 6.4 2.4a6 6 0 1 0 7.2 7.2z",
  screen: "M1.8 2.8h12.4v8.4H1.8zM5.5 13.8h5",
  help: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8M6.2 6.3a1.8 1.8 0 1 1 2.6 1.6c-.6.3-.8.6-.8 1.2M8 11.2v.1",
  user: "M8 2.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6M2.6 14c.5-3 2.6-4.4 5.4-4.4s4.9 1.4 5.4 4.4",
  filter: "M2 3.5h12M4.5 8h7M6.5 12.5h3",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  trash: "M2.5 4h11M6 4V2.5h4V4M4 4l.6 9.5h6.8L12 4",
  key: "M10.3 2.2a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7M7.8 8.2l-5.3 5.3M4.5 11.5l1.6 1.6",
  out: "M6.5 2.5h-4v11h4M10 5l3 3-3 3M13 8H6",
  runs: "M2 2.5v11.5h12M4.5 10.5l3-3.5 2.5 2 3.5-5",
  play: "M5 3l8 5-8 5z",
  stop: "M3.5 3.5h9v9h-9z",
  folder: "M1.8 13V3.5H6l1.6 2h6.6V13z",
  images: "M2 4.5h9.5V14H2zM4.5 2H14v9.5M2 11.5l3-3 4 4",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, spin = false }: { name: IconName; spin?: boolean }): JSX.Element {
  return (
    <svg
      class={spin ? "spin" : undefined}
      width="16"
      height="16"
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      stroke-width="1.5"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Mark(): JSX.Element {
  return (
    <svg width="22" height="22" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#2457d6" />
      <g fill="#fff">
        <rect x="7" y="7" width="8" height="8" rx="2" />
        <rect x="17" y="7" width="8" height="8" rx="2" opacity=".55" />
        <rect x="7" y="17" width="8" height="8" rx="2" opacity=".55" />
        <rect x="17" y="17" width="8" height="8" rx="2" />
      </g>
    </svg>
  );
}
