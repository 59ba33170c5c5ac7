// WCAG 2.2 AA, measured on the design's own variables: 4.5 for text, 3 for edges of controls and for the focus ring.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const css = readFileSync(new URL("../../src/styles/tokens.css", import.meta.url), "utf8");

function variables(block: string): Record<string, string> {
  return Object.fromEntries([...block.matchAll(/--([a-z0-9-]+): (#[0-9a-f]{6});/g)].map((m) => [m[1], m[2]])) as Record<
    string,
    string
  >;
}
const blocks = [...css.matchAll(/\{([^{}]*)\}/g)].map((m) => variables(m[1] as string));
const [light, system, chosen] = blocks as [Record<string, string>, Record<string, string>, Record<string, string>];

type Rgb = [number, number, number];
const rgb = (hex: string): Rgb => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)) as Rgb;
const mix = (a: Rgb, b: Rgb, share: number): Rgb => a.map((v, i) => v * share + (b[i] as number) * (1 - share)) as Rgb;
function luminance(colour: Rgb): number {
  const [r, g, b] = colour.map((v) =>
    v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4,
  ) as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function ratio(a: Rgb, b: Rgb): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

const TEXT = ["text", "soft", "accent", "ok", "busy", "warn", "bad"];
const GROUNDS = ["bg", "surface", "sunken", "hover"];

it("has the same dark colours for the system's choice and the person's", () => expect(chosen).toEqual(system));

describe.each([
  ["light", light],
  ["dark", system],
] as const)("%s", (_, theme) => {
  const of = (name: string): Rgb => rgb(theme[name] as string);
  it.each(TEXT.flatMap((text) => GROUNDS.map((ground) => [text, ground])))("%s is read on %s", (text, ground) =>
    expect(ratio(of(text as string), of(ground as string))).toBeGreaterThanOrEqual(4.5),
  );
  it.each([
    ["ok", "ok-wash"],
    ["busy", "busy-wash"],
    ["warn", "warn-wash"],
    ["bad", "bad-wash"],
    ["text", "ok-wash"],
    ["soft", "bad-wash"],
    ["text", "warn-wash"],
    ["soft", "busy-wash"],
    ["accent", "accent-wash"],
    ["accent-ink", "accent"],
  ])("%s is read on %s", (text, ground) => expect(ratio(of(text), of(ground))).toBeGreaterThanOrEqual(4.5));
  it.each(["text", "soft"])("%s is read on a filter's bar", (text) =>
    expect(ratio(of(text), mix(of("bar"), of("bg"), 0.55))).toBeGreaterThanOrEqual(4.5),
  );
  it.each(["bg", "surface"])("edges and the focus ring are seen on %s", (ground) => {
    expect(ratio(of("edge"), of(ground))).toBeGreaterThanOrEqual(3);
    expect(ratio(of("accent"), of(ground))).toBeGreaterThanOrEqual(3);
  });
  it.each([1, 2, 3, 4, 5, 6])("line %i of a chart is seen", (line) =>
    expect(ratio(of(`series-${line}`), of("surface"))).toBeGreaterThanOrEqual(3),
  );
  it("progress is seen on its track", () => expect(ratio(of("bar-on"), of("bar"))).toBeGreaterThanOrEqual(3));
});
