import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { EventStream, backoff, type Message } from "../../src/live/stream";

// Stands for the browser's EventSource, which Node has not; the real one runs in tests/browser.
class Source extends EventTarget {
  static readonly CLOSED = 2;
  static all: Source[] = [];
  readyState = 0;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  constructor(readonly url: string) {
    super();
    Source.all.push(this);
  }
  close(): void {
    this.readyState = 2;
  }
  opened(): void {
    this.readyState = 1;
    this.onopen?.();
  }
  says(kind: string, data: string, id = ""): void {
    this.dispatchEvent(new MessageEvent(kind, { data, lastEventId: id }));
  }
  refused(): void {
    this.readyState = 2;
    this.onerror?.();
  }
}

let said: Message[];
let stream: EventStream;
let status = 200;
const source = (): Source => Source.all[Source.all.length - 1] as Source;
const states = (): string[] => said.flatMap((one) => (one.kind === "state" ? [one.state] : []));

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("EventSource", Source);
  vi.stubGlobal("fetch", () => Promise.resolve({ status }));
  Source.all = [];
  said = [];
  status = 200;
  stream = new EventStream((message) => said.push(message));
});
afterEach(() => {
  stream.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("the stream", () => {
  it("is one, however often it is opened", () => {
    stream.open();
    stream.open();
    expect(Source.all).toHaveLength(1);
  });
  it("passes on what it hears and tells late pages the state", () => {
    stream.open();
    source().opened();
    source().says("health", '{"database":true}');
    source().says("change", '{"uid":"a"}', "s-1");
    expect(said.map((one) => one.kind)).toEqual(["state", "reset", "health", "change"]);
    expect(stream.now()).toEqual([
      { kind: "state", state: "live" },
      { kind: "health", data: '{"database":true}' },
    ]);
  });
  it("goes on where it was after a refusal", async () => {
    stream.open();
    source().opened();
    source().says("change", "{}", "s-41");
    source().refused();
    await vi.advanceTimersByTimeAsync(2000);
    expect(Source.all).toHaveLength(2);
    expect(source().url).toBe("/api/v1/events?lastEventId=s-41");
    source().opened();
    expect(states()).toEqual(["live", "lost", "live"]);
    expect(said.filter((one) => one.kind === "reset")).toHaveLength(1); // of the first connection only
  });
  it("waits longer after each refusal, and never more than forty seconds", async () => {
    stream.open();
    for (let i = 0; i < 12; i += 1) {
      source().refused();
      await vi.advanceTimersByTimeAsync(40_000);
    }
    expect(Source.all).toHaveLength(13);
    expect([0, 1, 2, 3, 4, 5, 50].map((n) => backoff(n, 0.5))).toEqual([1000, 2000, 4000, 8000, 16000, 30000, 30000]);
  });
  it("stops when the session has ended, and begins anew when somebody signs in", async () => {
    stream.open();
    source().opened();
    source().says("change", "{}", "s-41");
    status = 401;
    source().refused();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(Source.all).toHaveLength(1);
    expect(states().at(-1)).toBe("signed-out");
    stream.open();
    expect(source().url).toBe("/api/v1/events");
  });
  it("does not believe a connection that is silent for three heartbeats", async () => {
    stream.open();
    const first = source();
    first.opened();
    await vi.advanceTimersByTimeAsync(40_000);
    first.says("health", "{}");
    await vi.advanceTimersByTimeAsync(40_000);
    expect(Source.all).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(6_000);
    expect(first.readyState).toBe(2);
    expect(Source.all).toHaveLength(2);
  });
});
