// What is held of a log: a window of lines over bytes [first, next) of one pod's log. Pure; runs/log.tsx shows it.
import type { Gap, LogText } from "../api-runs";

export interface LogLine {
  text: string;
  /** Not of the log: bytes that were not kept. */
  gap?: true;
}

export interface LogWindow {
  lines: readonly LogLine[];
  /** The last line has no end yet: what comes next goes on in it. */
  open: boolean;
  first: number;
  next: number;
  /** Characters in the lines. */
  size: number;
}

/** Bytes that one request asks for. */
export const PART = 256 * 1024;
// Lines of a scrolled list: more than this many are higher than browsers can scroll exactly.
const MOST_LINES = 100_000;
const MOST_CHARACTERS = 8 << 20;
/** Characters of a line that are shown; the download has them all. */
export const LONGEST_LINE = 4000;

// Colours and cursor movements of terminals: CSI and OSC sequences, then any other escape with its letter.
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f]/g;
// They would let a line read other than it is written.
const TURNS = /[\u202a-\u202e\u2066-\u2069]/g;

/** A line as it is shown: a progress bar's newest state, no terminal codes, control characters visible. */
export function shownLine(raw: string): string {
  const cut = raw.length > LONGEST_LINE * 4 ? raw.slice(0, LONGEST_LINE * 4) : raw;
  const states = cut.replace(/\r$/, "").split("\r");
  const newest = states.findLast((state) => state !== "") ?? "";
  const clean = newest
    .replace(ESCAPES, "")
    .replace(CONTROLS, (one) => String.fromCharCode(one === "\u007f" ? 0x2421 : 0x2400 + one.charCodeAt(0)))
    .replace(TURNS, "\ufffd");
  if (clean.length <= LONGEST_LINE && cut.length === raw.length) return clean;
  return `${clean.slice(0, LONGEST_LINE)}… (line of ${raw.length.toLocaleString("en")} characters: download the log)`;
}

const gapLine = (from: number, to: number): LogLine => ({
  text: `${(to - from).toLocaleString("en")} bytes between the beginning and the newest part were not kept`,
  gap: true,
});

export const EMPTY_WINDOW: LogWindow = { lines: [], open: false, first: 0, next: 0, size: 0 };

function split(text: string): { lines: LogLine[]; open: boolean } {
  if (text === "") return { lines: [], open: false };
  const open = !text.endsWith("\n");
  const parts = (open ? text : text.slice(0, -1)).split("\n");
  return { lines: parts.map((one) => ({ text: one })), open };
}

/** Puts two runs of lines together; a line that goes on becomes one. */
function joined(a: readonly LogLine[], aOpen: boolean, b: readonly LogLine[]): LogLine[] {
  const last = a.at(-1);
  const head = b[0];
  if (!aOpen || !last || !head || last.gap || head.gap) return [...a, ...b];
  return [...a.slice(0, -1), { text: last.text + head.text }, ...b.slice(1)];
}

function between(from: number, to: number): LogLine[] {
  return to > from ? [gapLine(from, to)] : [];
}

/** The window with what comes after it. The oldest lines give way when it becomes too big: they can be fetched again. */
export function append(window: LogWindow, text: LogText): LogWindow {
  if (window.next === 0 && window.lines.length === 0) {
    const { lines, open } = split(text.text);
    return trimmed({ lines, open, first: text.first, next: text.next, size: text.text.length }, "old");
  }
  if (text.next <= window.next) return window;
  if (text.first < window.next) return window; // overlaps: asked for twice
  const { lines, open } = split(text.text);
  const missing = between(window.next, text.first);
  const all = joined(window.lines, window.open && missing.length === 0, [...missing, ...lines]);
  const still = lines.length > 0 ? open : window.open;
  return trimmed({ lines: all, open: still, first: window.first, next: text.next, size: window.size + text.text.length }, "old");
}

/** The window with what comes before it; the newest lines give way. */
export function prepend(window: LogWindow, text: LogText): LogWindow {
  if (text.next > window.first || text.first >= window.first) return window;
  const { lines, open } = split(text.text);
  const missing = between(text.next, window.first);
  const all = joined([...lines, ...missing], open && missing.length === 0, window.lines);
  return trimmed({ ...window, lines: all, first: text.first, size: window.size + text.text.length }, "new");
}

const bytesOf = (text: string): number => new TextEncoder().encode(text).length + 1;

/** Keeps a window within its limits by leaving out lines at one end. */
function trimmed(window: LogWindow, end: "old" | "new"): LogWindow {
  let { size, first, next, open } = window;
  const lines = [...window.lines];
  let left = lines.length;
  let from = 0;
  while (left > 1 && (left > MOST_LINES || size > MOST_CHARACTERS)) {
    const gone = lines[end === "old" ? from : from + left - 1] as LogLine;
    if (end === "old") from += 1;
    left -= 1;
    size -= gone.text.length + 1;
    // Replacement characters count three bytes where one was: an estimate, so the next fetch may overlap by some lines.
    if (!gone.gap) {
      if (end === "old") first += bytesOf(gone.text);
      else next -= bytesOf(gone.text);
    }
    if (end === "new") open = false;
  }
  if (left === lines.length) return window;
  return { lines: lines.slice(from, from + left), open, first, next, size };
}

/** Which bytes to ask for to see what is before `first`: over a gap to what was kept before it. Null at the start. */
export function olderRange(first: number, gap: Gap | null): { after: number; limit: number } | null {
  if (first <= 0) return null;
  const end = gap && first <= gap.to && first > gap.from ? gap.from : first;
  if (end <= 0) return null;
  const floor = gap && end > gap.to ? gap.to : 0;
  const after = Math.max(floor, end - PART);
  return { after, limit: end - after };
}
