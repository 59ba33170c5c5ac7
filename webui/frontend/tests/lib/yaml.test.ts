import { expect, it } from "vitest";
import { toYaml } from "../../src/lib/yaml";

it("writes an object the way people do", () => {
  expect(
    toYaml({
      kind: "Dataset",
      metadata: { name: "mnist" },
      spec: { source: { archive: { files: [{ url: "http://a/b.zip", size: 3 }, "plain"] } }, none: {}, list: [] },
    }),
  ).toBe(
    'kind: Dataset\nmetadata:\n  name: mnist\nspec:\n  source:\n    archive:\n      files:\n      - url: "http://a/b.zip"\n        size: 3\n      - plain\n  none: {}\n  list: []\n',
  );
});

it.each([
  "true",
  "No",
  "null",
  "1",
  "1.5",
  "",
  " a",
  "a: b",
  "#a",
  "- a",
  "2026-01-01",
  "0x1f",
  "a\tb",
  "é",
  "*a",
  "&a",
  "!a",
  "{",
  "[",
  "'",
  '"',
  "~",
  ".5",
  "1e3",
  "a\u2028b",
])("quotes %j, which would be read as something else", (text) => {
  expect(toYaml({ a: text })).toBe(`a: ${JSON.stringify(text)}\n`);
});

it.each(["mnist", "CC-BY-4.0", "default/digits", "blueno.dev/v1alpha1", "Handwritten digits (8x8)"])(
  "leaves %j as it is",
  (text) => expect(toYaml({ a: text })).toBe(`a: ${text}\n`),
);

it("quotes keys, too", () => expect(toYaml({ "a: b": 1, on: 2 })).toBe('"a: b": 1\n"on": 2\n'));

it("shows texts of several lines as lines", () =>
  expect(toYaml({ a: "one\ntwo\n\nthree\n" })).toBe("a: |\n  one\n  two\n\n  three\n"));

it("quotes texts that a block would change", () => {
  for (const text of [" one\ntwo", "one\n\n", "one \ntwo", "a\r\nb"])
    expect(toYaml({ a: text })).toBe(`a: ${JSON.stringify(text)}\n`);
});

it("nests lists in lists", () =>
  expect(toYaml({ a: [[1, 2], [{ b: [3] }]] })).toBe("a:\n- - 1\n  - 2\n- - b:\n    - 3\n"));
