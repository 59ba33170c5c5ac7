// One connection to /api/v1/events, kept for as long as somebody listens. Runs in the SharedWorker (worker.ts) and,
// where there is none, in the page (connect.ts).
import type { Stream } from "../health";

/** What the stream says to pages; `data` is still JSON text, so that it crosses to another thread cheaply. */
export type Message =
  | { kind: "change"; data: string }
  | { kind: "health"; data: string }
  | { kind: "reset" }
  | { kind: "state"; state: Stream };

/** What pages say to the worker. */
export type Request = { kind: "hello" | "bye" | "open" | "close" };

const URL_EVENTS = "/api/v1/events";
// The server sends a heartbeat every 15 seconds: after three missed ones the connection is dead, whatever TCP believes.
const SILENCE = 45_000;
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30_000;

/** How long to wait before connection number `attempt` (from 0) after a failure, in ms; `chance` is in [0, 1). */
export function backoff(attempt: number, chance: number): number {
  return Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(attempt, 10)) * (0.75 + chance / 2);
}

export class EventStream {
  private source: EventSource | null = null;
  private lastId = "";
  private attempts = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private silence: ReturnType<typeof setTimeout> | undefined;
  private state: Stream = "connecting";
  private lastHealth: string | null = null;

  constructor(private readonly emit: (message: Message) => void) {}

  /** What a page that joins late has to know. */
  now(): Message[] {
    const messages: Message[] = [{ kind: "state", state: this.state }];
    if (this.lastHealth !== null) messages.push({ kind: "health", data: this.lastHealth });
    return messages;
  }

  open(): void {
    if (this.source) return;
    clearTimeout(this.retry);
    const query = this.lastId ? `?lastEventId=${encodeURIComponent(this.lastId)}` : "";
    const source = new EventSource(URL_EVENTS + query);
    this.source = source;
    source.onopen = () => {
      this.attempts = 0;
      this.heard();
      this.becomes("live");
      // A stream that resumes nothing begins now: what happened since the pages fetched is not in it.
      if (!this.lastId) this.emit({ kind: "reset" });
    };
    source.onerror = () => this.failed(source);
    source.addEventListener("change", (event) => {
      this.note(event);
      this.emit({ kind: "change", data: (event as MessageEvent<string>).data });
    });
    source.addEventListener("reset", (event) => {
      this.note(event);
      this.emit({ kind: "reset" });
    });
    source.addEventListener("health", (event) => {
      this.note(event);
      this.lastHealth = (event as MessageEvent<string>).data;
      this.emit({ kind: "health", data: this.lastHealth });
    });
    this.heard();
  }

  /** Ends the connection; the next open() goes on where it was. */
  close(): void {
    clearTimeout(this.retry);
    clearTimeout(this.silence);
    this.source?.close();
    this.source = null;
  }

  /** Ends the connection and forgets where it was: somebody else may sign in. */
  forget(): void {
    this.close();
    this.lastId = "";
    this.lastHealth = null;
    this.becomes("signed-out");
  }

  private note(event: Event): void {
    const id = (event as MessageEvent<string>).lastEventId;
    if (id) this.lastId = id;
    this.heard();
  }

  private heard(): void {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      this.close();
      this.becomes("lost");
      this.open();
    }, SILENCE);
  }

  private becomes(state: Stream): void {
    if (state === this.state) return;
    this.state = state;
    this.emit({ kind: "state", state });
  }

  private failed(source: EventSource): void {
    if (source !== this.source) return;
    this.becomes("lost");
    if (source.readyState !== EventSource.CLOSED) return; // the browser connects again by itself
    this.close();
    this.retry = setTimeout(() => void this.again(), backoff(this.attempts, Math.random()));
    this.attempts += 1;
  }

  /** An EventSource does not say why it was refused: ask, so that an ended session is not tried for ever. */
  private async again(): Promise<void> {
    try {
      const answer = await fetch("/api/v1/session", {
        signal: AbortSignal.timeout(10_000),
        credentials: "same-origin",
      });
      if (answer.status === 401) {
        this.forget();
        return;
      }
    } catch {
      // Nobody answers: the stream's own attempt will fail, too, and wait longer.
    }
    this.open();
  }
}
