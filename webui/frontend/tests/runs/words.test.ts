import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { RunState } from "../../src/api-runs";
import {
  adviceFor,
  failureText,
  gpuHours,
  keeper,
  mayGrow,
  metricText,
  numberText,
  orderedMetrics,
  ranFor,
  shownProgress,
  standing,
} from "../../src/runs/words";

const look = (state: RunState, reason: string, stalled = false): string => {
  const { tone, icon } = standing({ state, reason, stalled });
  return `${tone} ${icon}`;
};

describe("a run's status", () => {
  it.each([
    ["succeeded", "Completed", false, "ok check"],
    ["failed", "OutOfMemory", true, "bad error"],
    ["failed", "Cancelled", false, "idle minus"],
    ["suspended", "Suspended", false, "idle pause"],
    ["running", "Running", false, "busy busy"],
    ["pending", "PullingImage", false, "busy busy"],
    ["pending", "InsufficientGPU", false, "warn clock"],
    ["pending", "InvalidSpec", true, "bad error"],
    ["pending", "AReasonOfTomorrow", false, "warn clock"],
  ] as const)("%s with %s", (state, reason, stalled, expected) => expect(look(state, reason, stalled)).toBe(expected));

  it("has advice for every reason in which a person has something to do", () => {
    const source = readFileSync(new URL("../../../../blueno/resources/run_reasons.py", import.meta.url), "utf8");
    const reasons = [...source.matchAll(/^ {4}[A-Z_]+ = "(\w+)"$/gm)].map((match) => match[1] as string);
    expect(reasons.length).toBeGreaterThan(15);
    const nothingToDo = ["Pending", "PullingImage", "Starting", "Running", "Restarting", "Completed", "Cancelled"];
    const forgotten = reasons.filter((reason) => !nothingToDo.includes(reason) && adviceFor(reason) === null);
    expect(forgotten).toEqual([]);
  });
  it("has no advice for names that every object has", () => expect(adviceFor("constructor")).toBeNull());
});

describe("progress", () => {
  const progress = { percentage: 43, estimatedRemainingSeconds: 60 };
  it("is shown until the run is over", () => {
    expect(shownProgress({ progress, state: "running" })?.percentage).toBe(43);
    expect(shownProgress({ progress, state: "suspended" })?.percentage).toBe(43);
    expect(shownProgress({ progress, state: "succeeded" })).toBeNull();
  });
  it("needs a percentage", () =>
    expect(shownProgress({ progress: { ...progress, percentage: null }, state: "running" })).toBeNull());
});

describe("numbers", () => {
  it.each([
    [0.912345, "0.9123"],
    [0, "0"],
    [1797, "1797"],
    [1e6, "1e6"],
    [880_212.5, "880200"],
    [0.0003049, "0.0003049"],
    [0.00001234567, "1.235e-5"],
    [-1e300, "-1e300"],
  ])("%d is %s", (value, text) => expect(numberText(value)).toBe(text));
  it.each([
    ["0.91234", "0.9123"],
    ["NaN", "NaN"],
    ["", ""],
    ["<b>no number, and long too</b>", "<b>no number, and long t…"],
  ])("reported %j is %j", (value, text) => expect(metricText(value)).toBe(text));
  it.each([
    [5400, "1.5 GPU hours"],
    [10, "<0.01 GPU hours"],
    [0, "0 GPU hours"],
    [12.34 * 3600, "12.3 GPU hours"],
    [12_345 * 3600, "12,345 GPU hours"],
  ])("%d GPU seconds are %s", (seconds, text) => expect(gpuHours(seconds)).toBe(text));
});

it("puts the objective first and keeps the rest as reported", () => {
  const metrics = ["loss", "lr", "accuracy"].map((name) => ({ name, value: "1" }));
  const names = (objective: string | null): string[] =>
    orderedMetrics(metrics, objective === null ? null : { name: objective, direction: "maximize" }).map((m) => m.name);
  expect(names("accuracy")).toEqual(["accuracy", "loss", "lr"]);
  expect(names(null)).toEqual(["loss", "lr", "accuracy"]);
  expect(names("missing")).toEqual(["loss", "lr", "accuracy"]);
});

it("counts all attempts, the one that runs until now", () => {
  const runningSince = "2026-01-01T00:00:00.000Z";
  const now = Date.parse("2026-01-01T02:00:00Z");
  expect(ranFor({ wallSeconds: 600, runningSince: null }, now)).toBe("10m");
  expect(ranFor({ wallSeconds: 0, runningSince }, now)).toBe("2h");
  expect(ranFor({ wallSeconds: 600, runningSince }, now)).toBe("2h10m");
  expect(ranFor({ wallSeconds: 600, runningSince: "2026-01-01T03:00:00.000Z" }, now)).toBe("10m");
  expect(ranFor({ wallSeconds: 0, runningSince: null }, now)).toBe("");
});

it("says exit code 0, too", () =>
  expect(failureText({ reason: "UserError", exitCode: 0, pod: "a", lastLines: null })).toBe("exit code 0, pod a"));

it("knows who would undo changes", () =>
  expect(["Argo CD", "Flux", "Helm", null].map(keeper)).toEqual(["Argo CD", "Flux", null, null]));

describe("what may still grow", () => {
  const ended = "2026-04-01T12:00:00Z";
  const after = (seconds: number): number => Date.parse(ended) + seconds * 1000;
  it("is all of a run that goes on", () => expect(mayGrow({ state: "running", endedAt: null })).toBe(true));
  it("is that of one that has just ended: the recorder may be late", () =>
    expect(mayGrow({ state: "succeeded", endedAt: ended }, after(60))).toBe(true));
  it("is nothing of one that is over for long, or nobody knows since when", () => {
    expect(mayGrow({ state: "failed", endedAt: ended }, after(600))).toBe(false);
    expect(mayGrow({ state: "failed", endedAt: null }, after(0))).toBe(false);
  });
});
