import { describe, expect, it } from "vitest";
import { columnsThatFit, pageAt, pageCount, pageStart, pageStep, parsePage, rowRanges } from "../../src/lib/paging";

describe("pages", () => {
  it("counts them", () =>
    expect([pageCount(0, 100), pageCount(1, 100), pageCount(100, 100), pageCount(101, 100)]).toEqual([1, 1, 1, 2]));
  it("finds the page of a position", () =>
    expect([pageAt(0, 100), pageAt(99, 100), pageAt(100, 100), pageAt(-5, 100)]).toEqual([1, 1, 2, 1]));
  it("starts at the nearest page there is", () => {
    expect([1, 3, 99, 0, -4, NaN, Infinity].map((page) => pageStart(page, 250, 100))).toEqual([
      0, 200, 200, 0, 0, 0, 0,
    ]);
  });
  it("round-trips every page", () => {
    for (let page = 1; page <= pageCount(70_000, 200); page += 1)
      expect(pageAt(pageStart(page, 70_000, 200), 200)).toBe(page);
  });
  it("steps until either end", () => {
    expect([
      pageStep(0, 250, 100, -1),
      pageStep(0, 250, 100, 1),
      pageStep(200, 250, 100, 1),
      pageStep(50, 250, 100, -1),
    ]).toEqual([null, 100, null, 0]);
    expect(pageStep(0, 100, 100, 1)).toBeNull();
  });
  it("reads page numbers as people type them", () => {
    expect(["12", " 1,200 ", "0", "", "two", "-1", "1.5", "9999999999"].map(parsePage)).toEqual([
      12,
      1200,
      0,
      null,
      null,
      null,
      null,
      null,
    ]);
  });
});

describe("rows of a contact sheet", () => {
  it("joins what is in a row and keeps the order", () => {
    expect(rowRanges([0, 1, 2, 7, 9, 10])).toBe("0-2,7,9-10");
    expect(rowRanges([5, 4, 3])).toBe("5,4,3");
    expect(rowRanges([])).toBe("");
  });
  it("names every row exactly once", () => {
    const rows = [3, 4, 5, 100, 1, 2, 50, 51];
    const back = rowRanges(rows)
      .split(",")
      .flatMap((part) => {
        const [first, last] = part.split("-").map(Number) as [number, number?];
        return Array.from({ length: (last ?? first) - first + 1 }, (_, i) => first + i);
      });
    expect(back).toEqual(rows);
  });
});

it("fits columns", () =>
  expect([
    columnsThatFit(0, 92, 8),
    columnsThatFit(92, 92, 8),
    columnsThatFit(191, 92, 8),
    columnsThatFit(192, 92, 8),
  ]).toEqual([1, 1, 1, 2]));
