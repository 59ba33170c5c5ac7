import { describe, expect, it } from "vitest";
import type { LogText } from "../../src/api-runs";
import {
  EMPTY_WINDOW,
  LONGEST_LINE,
  PART,
  append,
  olderRange,
  prepend,
  shownLine,
  type LogWindow,
} from "../../src/runs/log-text";

const part = (first: number, text: string): LogText => ({
  parts: [],
  attempt: 1,
  pod: "p",
  text,
  first,
  next: first + text.length,
  complete: false,
});
const texts = (window: LogWindow): string[] => window.lines.map((line) => (line.gap ? `GAP ${line.text}` : line.text));
const of = (first: number, text: string): LogWindow => append(EMPTY_WINDOW, part(first, text));

describe("a window of a log", () => {
  it("grows at the end, also within a line", () => {
    let window = of(0, "a\nb");
    window = append(window, part(3, "c\nd\n"));
    expect(texts(window)).toEqual(["a", "bc", "d"]);
    expect([window.first, window.next, window.open]).toEqual([0, 7, false]);
    expect(texts(append(window, part(7, "e")))).toEqual(["a", "bc", "d", "e"]);
  });
  it("keeps empty lines", () => expect(texts(append(of(0, "a\n"), part(2, "\n\nb\n")))).toEqual(["a", "", "", "b"]));
  it("stays as it is when nothing is new", () => {
    const window = of(0, "a\n");
    expect(append(window, part(2, ""))).toBe(window);
    expect(append(window, part(0, "a\n"))).toBe(window);
  });
  it("grows at the beginning, also within a line", () => {
    const window = prepend(of(4, "cd\ne\n"), part(0, "a\nbb"));
    expect(texts(window)).toEqual(["a", "bbcd", "e"]);
    expect([window.first, window.next]).toEqual([0, 9]);
  });
  it("does not take what is there already", () => {
    const window = of(4, "cd\n");
    expect(prepend(window, part(2, "bbcd\n"))).toBe(window);
  });
  it("marks what was not kept and does not join lines over it", () => {
    expect(texts(prepend(of(1_000_004, "after\n"), part(0, "befo")))).toEqual([
      "befo",
      "GAP 1,000,000 bytes between the beginning and the newest part were not kept",
      "after",
    ]);
    expect(texts(append(of(0, "befo"), part(10, "after\n")))[1]).toMatch(/^GAP 6 bytes/);
  });
  it("holds a hundred thousand lines and lets the oldest go", () => {
    const window = append(of(0, "first\n"), part(6, "x\n".repeat(100_000)));
    expect(window.lines).toHaveLength(100_000);
    expect(window.lines[0]?.text).toBe("x");
    expect(window.first).toBe(6);
  });
  it("lets the newest go when older parts come in, and says where it ends", () => {
    const window = prepend(of(200_000, "last\n"), part(0, "x\n".repeat(100_000)));
    expect(window.lines).toHaveLength(100_000);
    expect([window.first, window.next]).toEqual([0, 200_000]);
  });
});

describe("what older bytes are asked for", () => {
  const gap = { from: 1000, to: 900_000 };
  it("ends at the beginning", () => {
    expect(olderRange(0, null)).toBeNull();
    expect(olderRange(100, null)).toEqual({ after: 0, limit: 100 });
    expect(olderRange(PART + 7, null)).toEqual({ after: 7, limit: PART });
  });
  it("does not reach into a gap", () =>
    expect(olderRange(900_100, gap)).toEqual({ after: 900_000, limit: 100 }));
  it("goes on before the gap", () => {
    expect(olderRange(900_000, gap)).toEqual({ after: 0, limit: 1000 });
    expect(olderRange(1000, gap)).toEqual({ after: 0, limit: 1000 });
  });
});

describe("a line that is shown", () => {
  it.each([
    ["plain text, übung 漢字", "plain text, übung 漢字"],
    ["windows\r", "windows"],
    ["10%\r50%\r100%", "100%"],
    ["10%\r50%\r", "50%"],
    ["\u001b[1;31mred\u001b[0m", "red"],
    ["\u001b]0;title\u0007text", "text"],
    ["bell\u0007 nul\u0000 tab\tdel\u007f", "bell␇ nul␀ tab\tdel␡"],
    ["invoice\u202egnp.exe", "invoice�gnp.exe"],
    ["<img src=x>", "<img src=x>"],
  ])("%j", (raw, shown) => expect(shownLine(raw)).toBe(shown));
  it("has an end", () => {
    const shown = shownLine("y".repeat(3_000_000));
    expect(shown.length).toBeLessThan(LONGEST_LINE + 100);
    expect(shown).toContain("3,000,000 characters");
  });
});
