import { describe, expect, it } from "vitest";
import type { ChangeEvent } from "../../src/api";
import { Coalescer, type Batch } from "../../src/live/coalesce";

function event(uid: string, seq: number): ChangeEvent {
  return { kind: "Dataset", op: "upsert", uid, namespace: "n", name: `${uid}-${seq}`, object: null };
}

function made(): { coalescer: Coalescer; batches: Batch[]; frame: () => void; asked: () => number } {
  const batches: Batch[] = [];
  let waiting: (() => void)[] = [];
  let asked = 0;
  const coalescer = new Coalescer(
    (batch) => batches.push(batch),
    (callback) => {
      asked += 1;
      waiting.push(callback);
    },
  );
  const frame = (): void => {
    const now = waiting;
    waiting = [];
    for (const callback of now) callback();
  };
  return { coalescer, batches, frame, asked: () => asked };
}

describe("changes of a frame", () => {
  it("are delivered once, with the newest of each object", () => {
    const { coalescer, batches, frame, asked } = made();
    for (let i = 0; i < 1000; i += 1) coalescer.change(event(`u${i % 7}`, i));
    expect(asked()).toBe(1);
    expect(batches).toHaveLength(0);
    frame();
    expect(batches).toHaveLength(1);
    expect([...(batches[0] as Batch).changes.values()].map((one) => one.name)).toEqual([
      "u0-994",
      "u1-995",
      "u2-996",
      "u3-997",
      "u4-998",
      "u5-999",
      "u6-993",
    ]);
  });
  it("do not come again in the next one", () => {
    const { coalescer, batches, frame } = made();
    coalescer.change(event("a", 1));
    frame();
    frame();
    coalescer.change(event("b", 2));
    frame();
    expect(batches.map((batch) => [...batch.changes.keys()])).toEqual([["a"], ["b"]]);
  });
  it("before a reset are forgotten, those after it are kept", () => {
    const { coalescer, batches, frame } = made();
    coalescer.change(event("a", 1));
    coalescer.missed();
    coalescer.change(event("b", 2));
    frame();
    expect(batches.map((batch) => [batch.reset, [...batch.changes.keys()]])).toEqual([[true, ["b"]]]);
  });
  it("that come while a batch is delivered make another one", () => {
    const batches: Batch[] = [];
    const waiting: (() => void)[] = [];
    const coalescer: Coalescer = new Coalescer(
      (batch) => {
        batches.push(batch);
        if (batches.length === 1) coalescer.change(event("b", 2));
      },
      (callback) => waiting.push(callback),
    );
    coalescer.change(event("a", 1));
    waiting.shift()?.();
    waiting.shift()?.();
    expect(batches.map((batch) => [...batch.changes.keys()])).toEqual([["a"], ["b"]]);
  });
});
