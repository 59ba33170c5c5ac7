import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Problem, apiUrl, json, retryAfter, whenSignedOut, type Waiting } from "../src/client";
import { health } from "../src/health";

type Answer = { status: number; body?: unknown; headers?: Record<string, string> } | Error;
let answers: Answer[];
let asked: { url: string; init: RequestInit }[];

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
    asked.push({ url, init });
    const next = (answers.length > 1 ? answers.shift() : answers[0]) as Answer;
    if (next instanceof Error) return Promise.reject(next);
    const body =
      next.status === 204 ? null : typeof next.body === "string" ? next.body : JSON.stringify(next.body ?? {});
    return Promise.resolve(new Response(body, { status: next.status, headers: next.headers ?? {} }));
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const starting = {
  status: 503,
  body: { code: "data_server_starting", title: "Service Unavailable", detail: "starting" },
  headers: { "Retry-After": "1" },
};

async function outcome(promise: Promise<unknown>): Promise<unknown> {
  const settled = promise.then(
    (value) => value,
    (error: unknown) => error,
  );
  await vi.runAllTimersAsync();
  return settled;
}

describe("a request", () => {
  it("leaves out empty parameters and encodes the others", () => {
    expect(apiUrl("/datasets", { q: "a&b", namespace: "", limit: 0, cursor: null })).toBe(
      "/api/v1/datasets?q=a%26b&limit=0",
    );
  });
  it("that fails is a problem in the server's words", async () => {
    answers = [
      { status: 404, body: { code: "not_found", title: "Not Found", detail: "no such thing", requestId: "r1" } },
    ];
    const problem = (await outcome(json("/x"))) as Problem;
    expect([problem.status, problem.code, problem.detail, problem.body.requestId]).toEqual([
      404,
      "not_found",
      "no such thing",
      "r1",
    ]);
    expect(asked).toHaveLength(1);
  });
  it("answered by a proxy's page is a problem, too", async () => {
    answers = [{ status: 502, body: "<html>" }];
    expect((await outcome(json("/x"))) as Problem).toMatchObject({ status: 502, code: "http_502" });
  });
  it("answered with nothing is nothing", async () => {
    answers = [{ status: 204 }];
    expect(await outcome(json("/x", { method: "DELETE" }))).toBeUndefined();
  });
});

describe("waiting", () => {
  it("for a server that starts goes on at the pace it names, and says so", async () => {
    answers = [starting, starting, { status: 200, body: { ok: 1 } }];
    const told: (Waiting | null)[] = [];
    expect(await outcome(json("/x", { onWaiting: (w) => told.push(w) }))).toEqual({ ok: 1 });
    expect(told.map((one) => one && [one.code, one.retryAfter])).toEqual([
      ["data_server_starting", 1],
      ["data_server_starting", 1],
      null,
    ]);
  });
  it("ends: after three minutes the problem is shown", async () => {
    answers = [starting];
    expect(await outcome(json("/x"))).toMatchObject({ code: "data_server_starting" });
    expect(asked.length).toBeGreaterThan(150);
    expect(asked.length).toBeLessThan(190);
  });
  it("for a database is shorter, with growing pauses", async () => {
    answers = [{ status: 503, body: { code: "database_unavailable" }, headers: { "Retry-After": "1" } }];
    expect(await outcome(json("/x"))).toMatchObject({ code: "database_unavailable" });
    expect(asked.length).toBeLessThan(9);
  });
  it("happens neither for changes nor without Retry-After", async () => {
    answers = [starting];
    await outcome(json("/x", { method: "POST", body: {} }));
    expect(asked).toHaveLength(1);
    answers = [{ status: 503 }];
    await outcome(json("/x"));
    expect(asked).toHaveLength(2);
  });
  it("stops with its page", async () => {
    answers = [starting];
    const abort = new AbortController();
    const result = json("/x", { signal: abort.signal }).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(2500);
    abort.abort();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(((await result) as DOMException).name).toBe("AbortError");
    expect(asked).toHaveLength(3);
  });
  it("for a network is shown when it lasts", async () => {
    answers = [new TypeError("failed")];
    expect(await outcome(json("/x"))).toMatchObject({ code: "network", status: 0 });
  });
  it("keeps Retry-After within reason", () =>
    expect(["1", "0", "9999", "soon", null].map((text) => retryAfter(text))).toEqual([1, 0.5, 30, null, null]));
});

describe("the session", () => {
  it("is over with a 401, except where one asks for it", async () => {
    const over = vi.fn();
    whenSignedOut(over);
    answers = [{ status: 401 }];
    for (const path of ["/session", "/login", "/setup"]) await outcome(json(path));
    expect(over).not.toHaveBeenCalled();
    await outcome(json("/datasets"));
    expect(over).toHaveBeenCalledTimes(1);
  });
});

it("hears from answers how old they are", async () => {
  answers = [{ status: 200, headers: { "Blueno-Stale-Seconds": "42" } }, { status: 200 }];
  await outcome(json("/x"));
  expect(health.get().staleSeconds).toBe(42);
  await outcome(json("/x"));
  expect(health.get().staleSeconds).toBeNull();
});
