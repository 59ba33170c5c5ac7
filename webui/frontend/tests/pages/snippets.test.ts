import { expect, it } from "vitest";
import type { Dataset } from "../../src/api";
import { EXAMPLE, asKubectl, asPython, asYaml } from "../../src/pages/snippets";

const of = {
  namespace: "default",
  name: "mnist",
  version: { digest: "ab".repeat(32), sequence: 1 },
  splits: [{ name: 'tr"ain', samples: 9 }],
  volume: { claimName: "c-1", path: 'default/mnist"-1' },
  spec: { source: { tfds: { name: "mnist" } } },
} as unknown as Dataset;

it("copies what can be applied", () => {
  expect(asYaml(of)).toBe(
    "apiVersion: blueno.dev/v1alpha1\nkind: Dataset\nmetadata:\n  name: mnist\n  namespace: default\nspec:\n  source:\n    tfds:\n      name: mnist\n",
  );
  expect(EXAMPLE).toContain("kind: Dataset\nmetadata:\n  name: mnist\n");
});

it("copies commands for this one", () =>
  expect(asKubectl(of).split("\n")[0]).toBe("kubectl -n default get datasets.blueno.dev mnist"));

it("copies Python whose texts are texts", () => {
  expect(asPython(of)).toContain('ds = blueno.open_dataset("/data/default/mnist\\"-1")');
  expect(asPython(of)).toContain('ds.split("tr\\"ain").batch(range(9))');
});

it("copies Python also before there is a version", () => {
  const early = { ...of, version: null, splits: [], volume: null } as unknown as Dataset;
  expect(asPython(early)).toContain('ds = blueno.open_dataset("/data")');
  expect(asPython(early)).not.toContain("digest");
});
