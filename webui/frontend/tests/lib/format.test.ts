import { describe, expect, it } from "vitest";
import {
  age,
  ageStep,
  count,
  dtypeName,
  duration,
  intensity,
  moment,
  percent,
  plural,
  sentence,
  shape,
  size,
} from "../../src/lib/format";

describe("sizes", () => {
  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [9.94 * 1024, "9.9 KiB"],
    [594944, "581 KiB"],
    [54525952, "52 MiB"],
    [7.4 * 2 ** 30, "7.4 GiB"],
    [2 ** 40, "1.0 TiB"],
    [2 ** 54, "16384 TiB"],
  ])("%d bytes are %s", (bytes, text) => expect(size(bytes)).toBe(text));
});

describe("remaining time, as kubectl's PROGRESS column says it", () => {
  it.each([
    [-3, "0s"],
    [0, "0s"],
    [59, "59s"],
    [60, "1m"],
    [130, "2m10s"],
    [599, "9m59s"],
    [600, "10m"],
    [659, "10m"],
    [3600, "1h"],
    [3660, "1h1m"],
    [90000, "25h"],
  ])("%d s are %s", (seconds, text) => expect(duration(seconds)).toBe(text));
});

describe("ages, as kubectl's AGE column says them", () => {
  const now = Date.parse("2026-11-24T12:00:00Z");
  const ago = (seconds: number): string => age(new Date(now - seconds * 1000).toISOString(), now);
  it.each([
    [0, "0s"],
    [57, "57s"],
    [119, "119s"],
    [120, "2m"],
    [250, "4m10s"],
    [600, "10m"],
    [179 * 60, "179m"],
    [3 * 3600, "3h"],
    [3 * 3600 + 300, "3h5m"],
    [8 * 3600 + 300, "8h"],
    [47 * 3600, "47h"],
    [48 * 3600, "2d"],
    [50 * 3600, "2d2h"],
    [8 * 86400 + 3600, "8d"],
    [729 * 86400, "729d"],
    [730 * 86400, "2y"],
    [740 * 86400, "2y10d"],
    [9 * 365 * 86400 + 86400, "9y"],
  ])("%d s ago is %s", (seconds, text) => expect(ago(seconds)).toBe(text));
  it("is not negative when clocks differ", () => expect(ago(-90)).toBe("0s"));
  it("is empty for what is no time", () => expect(age("soon", now)).toBe(""));
  it("never changes within a step", () => {
    for (const seconds of [3600, 3 * 3600 + 59, 40_000, 200_000]) {
      const step = ageStep(seconds * 1000);
      const start = seconds * 1000 - ((seconds * 1000) % step);
      expect(ago(start / 1000)).toBe(ago((start + step - 1) / 1000));
    }
  });
});

describe("numbers", () => {
  it("groups thousands", () => expect(count(70000)).toBe("70,000"));
  it("counts things", () =>
    expect([plural(1, "sample"), plural(2, "sample"), plural(0, "class", "classes")]).toEqual([
      "1 sample",
      "2 samples",
      "0 classes",
    ]));
  it("says 100% of everything only", () => {
    expect([percent(0, 9), percent(1, 1000), percent(5, 9), percent(999, 1000), percent(9, 9), percent(1, 0)]).toEqual([
      "0%",
      "<1%",
      "56%",
      "99%",
      "100%",
      "0%",
    ]);
  });
  it("shortens intensities", () => {
    expect([null, NaN, -1024, 0.000123456, 12.34567, 1e9, 1.5].map((v) => intensity(v))).toEqual([
      "–",
      "–",
      "-1024",
      "0.0001235",
      "12.35",
      "1.000e+9",
      "1.5",
    ]);
  });
  it("names shapes", () =>
    expect([shape(28, 28, 1, 1), shape(32, 32, 1, 3), shape(512, 400, 90, 1)]).toEqual([
      "28×28",
      "32×32×3",
      "512×400×90",
    ]));
});

it("names types", () => {
  expect(["|u1", "<i2", ">f4", "=u8", "<c16", "|b1", "uint8", "<U9", "<m8[ns]", "|u1'"].map(dtypeName)).toEqual([
    "uint8",
    "int16",
    "float32",
    "uint64",
    "complex128",
    "bool",
    "uint8",
    "<U9",
    "<m8[ns]",
    "|u1'",
  ]);
});

it("makes sentences of half sentences", () => {
  expect([sentence("no such thing"), sentence("Why? "), sentence("")]).toEqual(["No such thing.", "Why?", ""]);
});

it("shows no moment where there is none", () =>
  expect([moment(null), moment("x"), moment(undefined)]).toEqual(["", "", ""]));
