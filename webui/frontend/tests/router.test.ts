import { describe, expect, it, vi } from "vitest";

const history = { pushed: [] as string[], replaced: [] as string[] };
vi.stubGlobal("document", { addEventListener: () => undefined, hidden: false });
vi.stubGlobal("window", {
  location: { pathname: "/datasets", search: "", origin: "http://blueno.test" },
  history: {
    pushState: (_: null, __: string, url: string) => history.pushed.push(url),
    replaceState: (_: null, __: string, url: string) => history.replaced.push(url),
  },
  setTimeout: (callback: () => void) => setTimeout(callback, 0),
  clearTimeout,
  setInterval: () => 0,
  scrollTo: () => undefined,
});
const { flush, here, href, location, navigate, safeNext } = await import("../src/router");

describe("where a login may lead", () => {
  it.each(["/gallery?dataset=a/b&label=%227%22", "/datasets/a/b", "/"])("to %s, which is ours", (next) =>
    expect(safeNext(next)).toBe(next),
  );
  it.each([
    null,
    "",
    "//evil.example/x",
    "/\\evil.example",
    "https://evil.example",
    "javascript:alert(1)",
    "datasets",
    "/login",
    "/login?next=/login",
    "/setup",
    "/api/v1/logout",
  ])("not to %s", (next) => expect(safeNext(next)).toBe("/"));
});

describe("the address", () => {
  it("keeps slashes and commas readable", () =>
    expect(href("/gallery", new URLSearchParams({ dataset: "a/b", prefix: "x,y&z" }))).toBe(
      "/gallery?dataset=a/b&prefix=x,y%26z",
    ));
  it("is shown at once and written later, once for many changes", async () => {
    for (let i = 0; i < 30; i += 1) navigate(`/datasets?q=${i}`, { replace: true });
    expect(location.get().query.get("q")).toBe("29");
    expect(history.replaced).toEqual([]);
    flush();
    expect(history.replaced).toEqual(["/datasets?q=29"]);
  });
  it("is written before another entry is made", () => {
    navigate("/datasets?q=x", { replace: true });
    navigate("/tokens");
    expect(history.replaced.at(-1)).toBe("/datasets?q=x");
    expect(history.pushed.at(-1)).toBe("/tokens");
    expect(here()).toBe("/tokens");
  });
  it("never leaves the application", () => {
    navigate("//evil.example/x");
    navigate("https://evil.example/x");
    expect(here()).toBe("/tokens");
  });
});
