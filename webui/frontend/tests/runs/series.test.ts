import { describe, expect, it } from "vitest";
import type { MetricPoint, Metrics } from "../../src/api-runs";
import {
  align,
  chosenMetrics,
  extremes,
  lineOf,
  moreIsBetter,
  positive,
  startOf,
  usualAxis,
  valueAt,
} from "../../src/runs/series";

const at = (minute: number): string => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();
const START = Date.UTC(2026, 0, 1);
const metrics = (...points: MetricPoint[]): Metrics => ({ names: ["loss"], series: [{ name: "loss", points }] });

describe("a line", () => {
  it("takes the newest attempt's value of a step that was done again", () => {
    const points: MetricPoint[] = [
      [1, at(1), 9],
      [2, at(2), 8],
      [3, at(3), 7],
      [2, at(9), 5],
      [3, at(10), 4],
    ];
    expect(lineOf(points, "step", START)).toEqual({ x: [1, 2, 3], y: [9, 5, 4] });
  });
  it("counts hours from the start", () =>
    expect(lineOf([[null, at(30), 1]], "time", START)).toEqual({ x: [0.5], y: [1] }));
  it("leaves out points that have no place, and has a gap where the value is no number", () => {
    const points: MetricPoint[] = [
      [null, at(1), 1],
      [1, "not a time", Number.NaN],
      [2, at(2), null],
    ];
    expect(lineOf(points, "step", START)).toEqual({ x: [1, 2], y: [null, null] });
    expect(lineOf(points, "time", START).x).toHaveLength(2);
  });
  it("has gaps for what a logarithm does not have", () =>
    expect(positive({ x: [1, 2, 3], y: [0, -1, 2] }).y).toEqual([null, null, 2]));
});

describe("lines of several runs", () => {
  const columns = align([
    { x: [1, 3], y: [10, 30] },
    { x: [2, 3], y: [null, 33] },
  ]);
  it("share one x: undefined where a run has no point, null where it has a gap", () =>
    expect(columns).toEqual([
      [1, 2, 3],
      [10, undefined, 30],
      [undefined, null, 33],
    ]));
  it("read the newest value before a place without a point", () => {
    expect(valueAt(columns[1] as number[], 1)).toBe(10);
    expect(valueAt(columns[2] as number[], 0)).toBeNull();
  });
  it("are possible without any", () => expect(align([])).toEqual([[]]));
  it("take ten thousand points", () => {
    const x = Array.from({ length: 10_000 }, (_, i) => i);
    expect(align([{ x, y: x }])[0]).toHaveLength(10_000);
  });
});

it("chooses steps unless nobody counts them", () => {
  expect(usualAxis([metrics([1, at(1), 1])])).toBe("step");
  expect(usualAxis([metrics([null, at(1), 1]), null])).toBe("time");
  expect(usualAxis([])).toBe("step");
});

it("begins at the start, else at the first point", () => {
  expect(startOf(at(5), metrics([1, at(9), 1]))).toBe(START + 300_000);
  expect(startOf(null, metrics([1, at(9), 1]))).toBe(START + 540_000);
  expect(startOf(null, metrics())).toBe(0);
});

describe("which metrics are drawn", () => {
  const names = ["accuracy", "gpu", "lr", "time", "val_loss"];
  it("are the chosen ones that exist", () => expect(chosenMetrics(names, ["lr", "gone"], null)).toEqual(["lr"]));
  it("are the objective, then the telling ones", () =>
    expect(chosenMetrics(names, [], { name: "time", direction: "minimize" })).toEqual([
      "time",
      "accuracy",
      "val_loss",
      "gpu",
    ]));
  it("are few, however many are asked for", () => {
    const many = Array.from({ length: 300 }, (_, i) => `m${i}`);
    expect(chosenMetrics(many, many, null)).toHaveLength(12);
  });
});

describe("the best value", () => {
  const line = { x: [1, 2, 3, 4], y: [0.5, 0.9, null, 0.7] };
  it("is the highest or the lowest, the first of equals", () => {
    expect(extremes(line, true)).toEqual({ last: 0.7, best: 0.9, bestAt: 2 });
    expect(extremes(line, false)).toEqual({ last: 0.7, best: 0.5, bestAt: 1 });
    expect(extremes({ x: [1, 2], y: [3, 3] }, true).bestAt).toBe(1);
    expect(extremes({ x: [1], y: [null] }, true)).toEqual({ last: null, best: null, bestAt: null });
  });
  it.each([
    ["val_loss", false],
    ["val_accuracy", true],
    ["error_rate", false],
    ["f1", true],
    ["lr", null],
    ["objective", false],
  ])("%s: %s", (name, more) =>
    expect(moreIsBetter(name, { name: "objective", direction: "minimize" })).toBe(more),
  );
});
