import { describe, expect, it } from "vitest";
import { fit, held, zoomAt } from "../../src/viewer/zoom";
import { outline, barHeights } from "../../src/viewer/window";
import { sliceAt, sliceCount, needsWindow } from "../../src/viewer/volume";

describe("fitting", () => {
  const stage = { width: 1000, height: 700 };
  it("enlarges tiny pictures by whole numbers", () =>
    expect([
      fit({ width: 28, height: 28 }, stage),
      fit({ width: 8, height: 8 }, stage),
      fit({ width: 1, height: 1 }, stage),
    ]).toEqual([25, 64, 64]));
  it("enlarges small ones at most twice and others never", () =>
    expect([
      fit({ width: 320, height: 240 }, stage),
      fit({ width: 900, height: 400 }, stage),
      fit({ width: 100, height: 20 }, { width: 50, height: 50 }),
    ]).toEqual([2, 1000 / 900, 0.5]));
  it("shrinks what is larger than the stage", () =>
    expect([
      fit({ width: 4000, height: 1000 }, stage),
      fit({ width: 1025, height: 100 }, { width: 2000, height: 2000 }),
    ]).toEqual([0.25, 1]));
  it("waits until there is something to fit", () =>
    expect([fit({ width: 0, height: 0 }, stage), fit({ width: 9, height: 9 }, { width: 0, height: 0 })]).toEqual([
      1, 1,
    ]));
});

describe("zooming", () => {
  it("keeps the point under the pointer", () => {
    const view = { scale: 2, x: 30, y: -10 };
    const at = { x: 100, y: 50 };
    const next = zoomAt(view, 1.5, at, 1);
    const point = (v: typeof view): number[] => [(at.x - v.x) / v.scale, (at.y - v.y) / v.scale];
    point(next).forEach((value, i) => expect(value).toBeCloseTo(point(view)[i] as number));
  });
  it("has limits", () => {
    expect(zoomAt({ scale: 60, x: 0, y: 0 }, 10, { x: 0, y: 0 }, 1).scale).toBe(64);
    expect(zoomAt({ scale: 0.3, x: 0, y: 0 }, 0.01, { x: 0, y: 0 }, 0.25).scale).toBe(0.25);
    expect(zoomAt({ scale: 25, x: 0, y: 0 }, 0.001, { x: 0, y: 0 }, 25).scale).toBe(1);
  });
  it("does not lose the picture", () =>
    expect(held({ scale: 2, x: 9999, y: -9999 }, { width: 10, height: 20 })).toEqual({ scale: 2, x: 10, y: -20 }));
});

describe("volumes", () => {
  const volume = { width: 192, height: 160, depth: 96 };
  it("have slices along each axis", () =>
    expect([sliceCount(volume, "axial"), sliceCount(volume, "coronal"), sliceCount(volume, "sagittal")]).toEqual([
      96, 160, 192,
    ]));
  it("open in the middle and never outside", () =>
    expect([sliceAt(null, 96), sliceAt(95, 96), sliceAt(500, 96), sliceAt(null, 1)]).toEqual([48, 95, 95, 0]));
  it("need a window unless they are bytes", () =>
    expect(["uint8", "|u1", "|b1", "<i2", "float32", ">u2", "|i1"].map((dtype) => needsWindow({ dtype }))).toEqual([
      false,
      false,
      false,
      true,
      true,
      true,
      true,
    ]));
});

describe("the histogram", () => {
  it("is drawn between 0 and 1, whatever the counts", () => expect(barHeights([0, 1, 4, -3])).toEqual([0, 0.5, 1, 0]));
  it("is a closed path, also of nothing", () => {
    expect(outline([])).toBe("M0 56L256 56z");
    expect(outline([0, 4])).toBe("M0 56L0.0 56.0h128.0L128.0 0.0h128.0L256 56z");
  });
});
