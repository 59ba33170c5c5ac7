import { describe, expect, it } from "vitest";
import type { Run } from "../../src/api-runs";
import { differences, resultsOf, settingsOf } from "../../src/runs/compare";
import { EXAMPLE, asKubectl, asPython, asYaml } from "../../src/runs/snippets";
import { formatView, parseView } from "../../src/runs/state";
import { shellWord } from "../../src/runs/shell";

function run(name: string, spec: Run["spec"], more: Partial<Run> = {}): Run {
  return {
    namespace: "default",
    name,
    reason: "Completed",
    metrics: [{ name: "accuracy", value: "0.97654" }],
    datasets: [{ name: "digits", digest: "ab".repeat(32) }],
    gpuSeconds: 5400,
    imageDigest: null,
    codeRevision: null,
    spec,
    ...more,
  } as Run;
}
const one = run("one", {
  image: "a:1",
  parameters: { lr: "0.1", epochs: "5" },
  env: [
    { name: "A", value: "1" },
    { name: "B", value: "2" },
  ],
  args: ["--fast"],
  suspend: true,
});
const two = run("two", {
  image: "a:1",
  parameters: { lr: "0.2", epochs: "5" },
  env: [
    { name: "B", value: "2" },
    { name: "A", value: "1" },
  ],
  suspend: false,
});

describe("differences", () => {
  const rows = differences([one, two].map(settingsOf));
  it("begin with the parameters and know what is the same", () => {
    expect(rows.map((row) => [row.key, row.differs])).toEqual([
      ["parameters.epochs", false],
      ["parameters.lr", true],
      ["version of digits", false],
      ["args[0]", true],
      ["image", false],
      ["env[A].name", false],
      ["env[A].value", false],
      ["env[B].name", false],
      ["env[B].value", false],
    ]);
  });
  it("have a place for what a run does not have", () =>
    expect(rows.find((row) => row.key === "args[0]")?.values).toEqual(["--fast", null]));
  it("are not about how a run is handled", () => expect(rows.some((row) => row.key === "suspend")).toBe(false));
  it("see another version and another result", () => {
    const other = run("three", one.spec, { datasets: [{ name: "digits", digest: "cd".repeat(32) }] });
    expect(differences([one, other].map(settingsOf)).filter((row) => row.differs)).toEqual([
      { key: "version of digits", values: ["abababababab", "cdcdcdcdcdcd"], differs: true },
    ]);
    expect(Object.fromEntries(resultsOf(one))).toEqual({ accuracy: "0.9765", status: "Completed", "GPU hours": "1.5" });
  });
  it("bear any spec", () => {
    expect(settingsOf(run("odd", null, { datasets: [] })).size).toBe(0);
    const deep = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`k${i}`, i]));
    expect(settingsOf(run("big", { parameters: deep })).size).toBeLessThanOrEqual(501);
  });
});

describe("texts to copy", () => {
  it("can be applied, and do not suspend the new run", () => {
    expect(asYaml(one)).toMatch(/^apiVersion: blueno.dev\/v1alpha1\nkind: TrainingRun\nmetadata:\n {2}name: one\n/);
    expect(asYaml(one)).toContain('lr: "0.1"');
    expect(asYaml(one)).not.toContain("suspend");
    expect(EXAMPLE).toContain("kind: TrainingRun\n");
  });
  it("name this run", () => {
    expect(asKubectl(one).split("\n")[0]).toBe("kubectl -n default get trainingruns.blueno.dev one");
    expect(asKubectl(one)).toContain(`-p '{"spec":{"suspend":true}}'`);
    expect(asPython(one, 'https://b.example"')).toContain('blueno.Client("https://b.example\\"")');
  });
  it("quote what a shell would read otherwise", () =>
    expect(["--lr=0.1", "it's", "", "$(rm -rf /)", "a b"].map(shellWord)).toEqual([
      "--lr=0.1",
      `'it'"'"'s'`,
      "''",
      "'$(rm -rf /)'",
      "'a b'",
    ]));
});

describe("the address of a run's page", () => {
  const read = (text: string): ReturnType<typeof parseView> => parseView(new URLSearchParams(text), "own");
  it("comes back as it was", () => {
    const text = "compare=a,b&metric=loss&metric=x,y&axis=time&scale=log&attempt=2&pod=own-2-0";
    expect(parseView(formatView(read(text)), "own")).toEqual(read(text));
    expect(read(text).metrics).toEqual(["loss", "x,y"]);
  });
  it("takes nonsense for nothing", () => {
    const view = read("compare=own,,a,a,b,c,d,e,f&axis=up&attempt=-1");
    expect(view.compare).toEqual(["a", "b", "c", "d", "e"]);
    expect([view.axis, view.attempt, view.log]).toEqual([null, null, false]);
    expect(formatView(read("")).toString()).toBe("");
  });
});
