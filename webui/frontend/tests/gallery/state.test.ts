import { describe, expect, it } from "vitest";
import { EMPTY, change, formatState, galleryQuery, parseState, type GalleryState } from "../../src/gallery/state";

const full: GalleryState = {
  namespace: "default",
  name: "mnist",
  version: "0123456789abcdef",
  split: "train & test",
  label: '"7"',
  prefix: "a/b?c=d",
  labelText: "ü%",
  position: 400,
  size: 200,
  sample: 12,
  expanded: true,
  axis: "coronal",
  slice: 0,
  window: { low: -1000.5, high: 1e3 },
};
const read = (text: string): GalleryState => parseState(new URLSearchParams(text));

describe("the address", () => {
  it("holds the whole state", () => expect(read(formatState(full).toString())).toEqual(full));
  it("is short for what is usual", () =>
    expect(galleryQuery("default", "mnist").toString()).toBe("dataset=default%2Fmnist"));
  it("is read with defaults", () => expect(read("")).toEqual(EMPTY));
  it.each([
    "size=7",
    "size=-1",
    "position=-3",
    "position=1e9",
    "sample=x",
    "expanded=1",
    "axis=oblique",
    "slice=1.5",
    "low=1",
    "low=5&high=5",
    "low=9&high=1",
    "low=NaN&high=1",
    "low=&high=",
    "version=xyz",
    "version=abc",
    "dataset=only",
    "dataset=",
    "position=99999999999",
  ])("ignores %s, which makes no sense", (text) => expect(read(text)).toEqual(EMPTY));
  it("may name what is not sealed in the place of a version", () => {
    expect(read("version=working").version).toBe("working");
    expect(read("version=working1").version).toBe("");
  });
  it("takes a window of any numbers", () => expect(read("low=-1e-3&high=0").window).toEqual({ low: -0.001, high: 0 }));
});

describe("a change", () => {
  it("of a filter goes to the first page and chooses nothing", () => {
    for (const patch of [{ split: "test" }, { label: "null" }, { prefix: "" }, { version: "" }]) {
      expect(change(full, patch)).toEqual({
        ...full,
        ...patch,
        position: 0,
        sample: null,
        expanded: false,
        slice: null,
      });
    }
  });
  it("of the data set keeps nothing but the page size", () => {
    expect(change(full, { namespace: "a", name: "b" })).toEqual({ ...EMPTY, namespace: "a", name: "b", size: 200 });
  });
  it("to the same filter is none", () => expect(change(full, { split: full.split })).toEqual(full));
  it("of the page, the sample or the view keeps the rest", () =>
    expect(change(full, { position: 0, slice: 3 })).toEqual({ ...full, position: 0, slice: 3 }));
});
