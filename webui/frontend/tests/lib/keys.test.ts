import { expect, it } from "vitest";
import { resolve } from "../../src/lib/keys";

const one = (): void => undefined;
const two = (): void => undefined;

it("asks the topmost layer first", () => {
  expect(
    resolve(
      [
        { modal: false, keys: { a: one } },
        { modal: false, keys: { a: two } },
      ],
      "a",
    ),
  ).toBe(two);
  expect(
    resolve(
      [
        { modal: false, keys: { a: one } },
        { modal: false, keys: {} },
      ],
      "a",
    ),
  ).toBe(one);
});

it("lets nothing through a dialog", () => {
  const stack = [
    { modal: false, keys: { n: one } },
    { modal: true, keys: { Escape: two } },
  ];
  expect([resolve(stack, "n"), resolve(stack, "Escape")]).toEqual([null, two]);
});

it("knows no key that nobody wants", () => expect(resolve([], "q")).toBeNull());
