import { expect, it } from "vitest";
import { sheetCell, spritePlace } from "../../src/gallery/grid";
import { target } from "../../src/gallery/selection";
import { arranged } from "../../src/gallery/sidebar";

it("moves within a page and off its edges", () => {
  expect([
    target(0, 1, 10),
    target(9, 1, 10),
    target(0, -1, 10),
    target(3, 4, 10),
    target(8, 4, 10),
    target(2, -4, 10),
  ]).toEqual([1, "after", "before", 7, "after", "before"]);
});

it("begins at an end when nothing is chosen", () => expect([target(-1, 1, 10), target(-1, -1, 10)]).toEqual([0, 9]));

it("cuts pictures out of the sheet in percentages", () => {
  expect(spritePlace(0, 100)).toEqual({ size: "1000% 1000%", position: "0% 0%" });
  expect(spritePlace(99, 100)).toEqual({ size: "1000% 1000%", position: "100% 100%" });
  expect(spritePlace(10, 30).position).toBe("0% 50%");
  expect(spritePlace(0, 1)).toEqual({ size: "100% 100%", position: "0% 0%" });
  expect(spritePlace(2, 3)).toEqual({ size: "300% 100%", position: "100% 0%" });
});

it("asks for few sizes of cells", () =>
  expect([sheetCell(92, 1), sheetCell(100, 1), sheetCell(107, 1), sheetCell(92, 2), sheetCell(300, 3)]).toEqual([
    96, 96, 128, 192, 256,
  ]));

it("orders few labels by themselves and many by how often", () => {
  const labels = ["10", "9", "1"].map((text, i) => ({ label: JSON.stringify(text), text, samples: 9 - i }));
  const none = { label: null, text: "", samples: 3 };
  expect(arranged([...labels, none], false).map((one) => one.text)).toEqual(["1", "9", "10", ""]);
  expect(arranged(labels, true)).toBe(labels);
});
