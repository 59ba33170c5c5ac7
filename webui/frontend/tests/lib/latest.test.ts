import { expect, it } from "vitest";
import { Latest } from "../../src/lib/latest";

function made(): { latest: Latest<number>; begun: number[]; finish: () => Promise<void>; signals: AbortSignal[] } {
  const begun: number[] = [];
  const signals: AbortSignal[] = [];
  const ends: (() => void)[] = [];
  const latest = new Latest<number>((key, signal) => {
    begun.push(key);
    signals.push(signal);
    return new Promise((resolve) => ends.push(resolve));
  });
  return {
    latest,
    begun,
    signals,
    finish: async () => {
      ends.shift()?.();
      await new Promise((resolve) => setTimeout(resolve));
    },
  };
}

it("does one at a time and skips what is no longer wanted", async () => {
  const { latest, begun, finish } = made();
  for (let i = 0; i < 50; i += 1) latest.want(i);
  expect(begun).toEqual([0]);
  await finish();
  expect(begun).toEqual([0, 49]);
  await finish();
  latest.want(7);
  expect(begun).toEqual([0, 49, 7]);
});

it("breaks off when it is stopped, and can begin again", async () => {
  const { latest, begun, signals, finish } = made();
  latest.want(1);
  latest.want(2);
  latest.stop();
  expect(signals[0]?.aborted).toBe(true);
  latest.want(3);
  await finish();
  expect(begun).toEqual([1, 3]);
});
