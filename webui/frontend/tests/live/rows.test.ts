import { describe, expect, it } from "vitest";
import type { ChangeEvent, DatasetSummary } from "../../src/api";
import type { RunSummary } from "../../src/api-runs";
import { DATASETS, RUNS, type DatasetFilter, type RunFilter } from "../../src/live/kinds";
import { applyBatch as apply } from "../../src/live/rows";

const { compare, matches } = DATASETS;
const applyBatch = (
  rows: readonly DatasetSummary[],
  changes: ReadonlyMap<string, ChangeEvent>,
  filter: DatasetFilter,
): readonly DatasetSummary[] => apply(rows, changes, DATASETS, filter);

function row(name: string, more: Partial<DatasetSummary> = {}): DatasetSummary {
  return {
    uid: `uid-${name}`,
    namespace: "default",
    name,
    displayName: null,
    ready: true,
    reconciling: false,
    stalled: false,
    reason: "Available",
    message: "",
    progress: null,
    samples: 1,
    bytes: 1,
    classes: null,
    version: null,
    indexed: false,
    managedBy: null,
    createdAt: "2026-01-01T00:00:00.000Z",
    changedAt: "2026-01-01T00:00:00.000Z",
    ...more,
  };
}
function batch(...changes: (DatasetSummary | { gone: string })[]): Map<string, ChangeEvent> {
  return new Map(
    changes.map((one) => {
      const uid = "gone" in one ? `uid-${one.gone}` : one.uid;
      const name = "gone" in one ? one.gone : one.name;
      return [
        uid,
        {
          kind: "Dataset",
          op: "gone" in one ? "delete" : "upsert",
          uid,
          namespace: "default",
          name,
          object: "gone" in one ? null : one,
        },
      ];
    }),
  );
}
const ALL = { namespace: "", text: "" };
const later = { changedAt: "2026-01-01T00:00:01.000Z" };
const names = (rows: readonly DatasetSummary[]): string[] => rows.map((one) => one.name);

describe("a batch of changes", () => {
  const rows = [row("a"), row("c"), row("e")];
  it("replaces, inserts in order and removes", () => {
    const after = applyBatch(
      rows,
      batch(row("c", { reason: "Preparing", ...later }), row("d"), row("0"), row("z"), { gone: "a" }),
      ALL,
    );
    expect(names(after)).toEqual(["0", "c", "d", "e", "z"]);
    expect(after[1]?.reason).toBe("Preparing");
  });
  it("keeps the rows that did not change, so that they do not render", () => {
    const after = applyBatch(rows, batch(row("c", later)), ALL);
    expect(after[0]).toBe(rows[0]);
    expect(after[2]).toBe(rows[2]);
  });
  it("is the same array when nothing changed", () => {
    expect(applyBatch(rows, new Map(), ALL)).toBe(rows);
    expect(applyBatch(rows, batch({ gone: "unknown" }), ALL)).toBe(rows);
    expect(applyBatch(rows, batch(row("zz")), { namespace: "other", text: "" })).toBe(rows);
  });
  it("does not put an older state over a newer one", () => {
    const fresh = [row("a", { reason: "Available", ...later })];
    expect(applyBatch(fresh, batch(row("a", { reason: "Pending" })), ALL)).toBe(fresh);
  });
  it("takes the event when both are of the same moment", () =>
    expect(applyBatch([row("a")], batch(row("a", { reason: "Pending" })), ALL)[0]?.reason).toBe("Pending"));
  it("removes what no longer matches", () => {
    expect(
      names(
        applyBatch([row("a", { displayName: "Cats" })], batch(row("a", { displayName: "Dogs", ...later })), {
          namespace: "",
          text: "cat",
        }),
      ),
    ).toEqual([]);
  });
  it("inserts into two thousand rows in order", () => {
    const many = Array.from({ length: 2000 }, (_, i) => row(`set-${String(i * 2).padStart(5, "0")}`));
    const after = applyBatch(many, batch(row("set-01001"), row("set-03999")), ALL);
    expect([...after].sort(compare)).toEqual(after);
    expect(after).toHaveLength(2002);
  });
});

describe("the filter", () => {
  it("is literal and knows no case", () => {
    const one = row("a.b", { displayName: "50% Ölfarbe" });
    expect(["A.B", "50%", "öl", "", "a_b", ".*"].map((text) => matches(one, { namespace: "", text }))).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
    ]);
  });
  it("knows the namespace", () =>
    expect([
      matches(row("a"), { namespace: "default", text: "" }),
      matches(row("a"), { namespace: "b", text: "" }),
    ]).toEqual([true, false]));
});

function run(name: string, more: Partial<RunSummary> = {}): RunSummary {
  return {
    uid: `uid-${name}`,
    namespace: "default",
    name,
    state: "running",
    reason: "Running",
    datasets: [{ name: "digits", digest: null }],
    createdAt: "2026-01-01T00:00:00.000Z",
    changedAt: "2026-01-01T00:00:00.000Z",
    ...more,
  } as RunSummary;
}
const at = (second: number): string => `2026-01-01T00:00:0${second}.000Z`;
const change = (object: RunSummary): [string, ChangeEvent] => [
  object.uid,
  { kind: "TrainingRun", op: "upsert", uid: object.uid, namespace: "default", name: object.name, object },
];
const EVERY: RunFilter = { namespace: "", text: "", dataset: "", state: "" };

describe("two kinds on one stream", () => {
  const sets = [row("a")];
  const runs = [run("b", { createdAt: at(5) }), run("a", { createdAt: at(1) })];
  it("does not mix them up", () => {
    const both = new Map([...batch(row("a", { reason: "Preparing", ...later })), change(run("new", later))]);
    expect(names(applyBatch(sets, both, ALL))).toEqual(["a"]);
    const after = apply(runs, new Map(both), RUNS, EVERY);
    expect(after.map((one) => one.name)).toEqual(["b", "a", "new"]);
    expect(after[1]).toBe(runs[1]); // uid-a is the data set's change, not the run's
  });
  it("puts the newest run first", () => {
    const after = apply(runs, new Map([change(run("c", { createdAt: at(3) }))]), RUNS, EVERY);
    expect(after.map((one) => one.name)).toEqual(["b", "c", "a"]);
  });
  it("takes a run out when it is no longer in the state asked for", () => {
    const filter = { ...EVERY, state: "running" };
    expect(apply(runs, new Map([change(run("a", { state: "failed", ...later }))]), RUNS, filter)).toEqual([runs[0]]);
  });
  it("knows the data set by its whole name", () =>
    expect(["digits", "digit", ""].map((dataset) => RUNS.matches(run("a"), { ...EVERY, dataset }))).toEqual([
      true,
      false,
      true,
    ]));
});
