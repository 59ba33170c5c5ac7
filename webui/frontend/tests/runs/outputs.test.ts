import { describe, expect, it } from "vitest";
import { outputUrl } from "../../src/endpoints-runs";
import { crumbs, formatView, parseView } from "../../src/runs/state";

const viewOf = (query: string) => parseView(new URLSearchParams(query), "train");

describe("the files of a run", () => {
  it("leads down step by step", () => {
    expect(crumbs("")).toEqual([]);
    expect(crumbs("checkpoints/step-1")).toEqual([
      { name: "checkpoints", path: "checkpoints" },
      { name: "step-1", path: "checkpoints/step-1" },
    ]);
  });

  it("keeps what is open in the address", () => {
    expect(viewOf("").files).toBeNull();
    expect(viewOf("files=/").files).toBe("");
    expect(viewOf("files=/a/b/").files).toBe("a/b");
    for (const files of [null, "", "a/b", "a b/\\x0a%/ü"]) {
      const view = { ...viewOf(""), files };
      expect(viewOf(formatView(view).toString()).files).toBe(files);
    }
  });

  it("asks for hostile names as they are shown", () => {
    const url = outputUrl({ namespace: "lab", name: "train" }, "a&b/\\xff?#", "raw");
    expect(url).toBe("/api/v1/trainingruns/lab/train/outputs/raw?path=a%26b%2F%5Cxff%3F%23");
    expect(outputUrl({ namespace: "lab", name: "train" }, "", "tar")).toBe("/api/v1/trainingruns/lab/train/outputs/tar");
  });
});
