import { describe, expect, it } from "vitest";
import type { About } from "../../src/api";
import type { Working, WorkingRow } from "../../src/api-working";
import { shownRow, sized, versionShelf, workingShelf } from "../../src/gallery/shelf";
import { notSealedText, sealText } from "../../src/gallery/words";

const of = { namespace: "lab", name: "a&b" };
const row: WorkingRow = {
  seq: 17,
  key: "a/b?.png",
  split: null,
  label: '"cat"',
  labelText: "cat",
  group: null,
  bytes: 123,
  sha256: "ab".repeat(32),
  metadata: null,
  etag: "cd".repeat(16),
  time: "2026-01-01T00:00:00Z",
  by: "ada@example.org",
};
const about = (shape: number[]): About => ({
  shape,
  dtype: "int16",
  min: 0,
  max: 1,
  histogram: { edges: [], counts: [] },
  window: { low: 0, high: 1 },
});

describe("a shelf", () => {
  it("of what is not sealed names samples by key and content", () => {
    const shelf = workingShelf(of, 5);
    const shown = shownRow(row);
    expect(shelf.live).toBe(true);
    expect(shelf.raw(shown)).toBe(
      `/api/v1/datasets/lab/a%26b/working/raw?key=a%2Fb%3F.png&sha256=${"ab".repeat(32)}`,
    );
    expect(shelf.sheet([shown, { ...shown, row: 3 }], { cell: 96 })).toContain("/working/sheet?seqs=17%2C3&cell=96");
  });
  it("of a version names them by row", () => {
    const shelf = versionShelf(of, "0123456789abcdef");
    const shown = shownRow(row);
    expect(shelf.sheet([shown, { ...shown, row: 18 }], { cell: 96 })).toBe(
      "/api/v1/datasets/lab/a%26b/sheet?version=0123456789abcdef&rows=17-18&cell=96",
    );
    expect(shelf.live).toBe(false);
  });
  it("has keys that differ, or answers would be taken for one another", () => {
    const keys = [
      workingShelf(of, 5).key,
      workingShelf(of, 6).key,
      versionShelf(of, "5").key,
      workingShelf({ ...of, name: "b" }, 5).key,
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe("the size of a sample that is not sealed", () => {
  const size = (shape: number[]): number[] => {
    const found = sized(shownRow(row), about(shape));
    return [found.depth, found.height, found.width, found.channels];
  };
  it("is an image's", () => expect(size([28, 30, 3])).toEqual([1, 28, 30, 3]));
  it("is a plain array's", () => expect(size([28, 30])).toEqual([1, 28, 30, 1]));
  it("is a volume's", () => expect(size([12, 64, 80])).toEqual([12, 64, 80, 1]));
  it("is a volume's with channels", () => expect(size([12, 64, 80, 2])).toEqual([12, 64, 80, 2]));
  it("is unknown until it was asked for", () => expect(sized(shownRow(row), undefined).width).toBe(0));
  it("of a sealed one is what the index says", () => {
    const sealed = { ...shownRow(row), width: 5 };
    delete sealed.unsealed;
    expect(sized(sealed, about([28, 30, 3])).width).toBe(5);
  });
});

describe("words", () => {
  const working: Working = { accepts: true, samples: 1200, bytes: 1, revision: 1300, sealedRevision: 0, notSealed: 1200 };
  it.each<[Partial<Working>, string]>([
    [{}, "1,200 samples are not sealed yet"],
    [{ notSealed: 1 }, "1 sample is not sealed yet"],
    [{ notSealed: 0, sealedRevision: 1200 }, "Removals are not sealed yet"],
    [{ notSealed: 0, sealedRevision: 1300 }, "Nothing is waiting to be sealed"],
  ])("say for %o: %s", (patch, text) => expect(notSealedText({ ...working, ...patch })).toBe(text));
  it("say what a seal does", () => {
    expect(sealText(working)).toBe("The next version will hold the 1,200 samples that were added.");
    expect(sealText({ ...working, sealedRevision: 9, notSealed: 3 })).toContain("3 of them are new or changed");
  });
});
