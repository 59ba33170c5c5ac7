// Fetches what runs/log.tsx shows: the end of a log first, what is new while it runs, older parts when asked.
import { useEffect, useReducer, useRef } from "preact/hooks";
import type { LogPart, LogText, Run } from "../api-runs";
import { asProblem, isAbort, type Problem } from "../client";
import { getLog } from "../endpoints-runs";
import { EMPTY_WINDOW, PART, append, olderRange, prepend, type LogWindow } from "./log-text";
import type { RunView } from "./state";
import { mayGrow } from "./words";

export interface LogState {
  parts: readonly LogPart[];
  part: LogPart | null;
  window: LogWindow;
  loaded: boolean;
  busy: boolean;
  problem: Problem | null;
  hasOlder: boolean;
  /** Whether the end is what is shown. */
  following: boolean;
  /** Whether there may be more to come. */
  live: boolean;
  older: () => void;
  /** Back to the end, and from there on with it. */
  newest: () => void;
  follow: () => void;
  unfollow: () => void;
}

const SOON = 1000; // ms until the next look when something new was there
const LATER = 4000;

/** What the newest look found; changed in place by Source, which tells when. */
class Source {
  parts: readonly LogPart[] = [];
  part: LogPart | null = null;
  window: LogWindow = EMPTY_WINDOW;
  loaded = false;
  busy = false;
  problem: Problem | null = null;
  following = true;
  private abort = new AbortController();
  private timer = 0;

  constructor(
    readonly run: Run,
    private readonly attempt: number | null,
    private readonly pod: string,
    private readonly tell: () => void,
    private readonly ended: () => boolean,
  ) {}

  stop(): void {
    this.abort.abort();
    window.clearTimeout(this.timer);
  }

  /** Fetches bytes from `after`; null: the end. Null as the answer: it failed, or is no longer wanted. */
  private async fetch(after: number | null, limit: number): Promise<LogText | null> {
    this.abort.abort();
    window.clearTimeout(this.timer);
    const { signal } = (this.abort = new AbortController());
    const at = this.part ?? { attempt: this.attempt, pod: this.pod };
    this.busy = true;
    this.tell();
    try {
      const answer = await getLog(this.run, { attempt: at.attempt, pod: at.pod, after, limit }, { signal });
      if (signal.aborted) return null;
      this.parts = answer.parts;
      this.part = answer.parts.find((one) => one.attempt === answer.attempt && one.pod === answer.pod) ?? null;
      this.problem = null;
      this.loaded = true;
      return answer;
    } catch (error) {
      if (signal.aborted || isAbort(error)) return null;
      this.problem = asProblem(error);
      return null;
    } finally {
      if (!signal.aborted) this.busy = false;
      this.tell();
    }
  }

  async newest(): Promise<void> {
    this.following = true;
    const answer = await this.fetch(null, PART);
    if (answer) this.window = append(EMPTY_WINDOW, answer);
    this.tell();
    this.again(LATER / 2);
  }

  /** What came after the shown lines. */
  private async newer(): Promise<void> {
    if (!this.part) return this.newest();
    const { next } = this.window;
    const answer = await this.fetch(next, PART);
    if (answer) this.window = append(this.window, answer);
    this.tell();
    this.again(answer && answer.next > next ? SOON : LATER);
    return undefined;
  }

  async older(): Promise<void> {
    const range = olderRange(this.window.first, this.part?.gap ?? null);
    if (!range) return;
    this.following = false;
    const answer = await this.fetch(range.after, range.limit);
    if (answer) this.window = prepend(this.window, answer);
    this.tell();
  }

  follow(): void {
    if (this.following) return;
    this.following = true;
    this.tell();
    this.again(0);
  }

  unfollow(): void {
    if (!this.following) return;
    this.following = false;
    this.tell();
  }

  private get finished(): boolean {
    const done = this.part ? this.part.complete && this.window.next >= this.part.bytes : this.loaded && this.ended();
    return done;
  }

  private again(after: number): void {
    window.clearTimeout(this.timer);
    if (this.problem || this.finished) return;
    this.timer = window.setTimeout(() => {
      if (!this.following) return;
      if (document.hidden) this.again(LATER);
      else void this.newer();
    }, after);
  }
}

export function useLog(of: Run, view: RunView): LogState {
  const [, tell] = useReducer((n: number, _action: void) => n + 1, 0);
  const source = useRef<Source | null>(null);
  const run = useRef(of);
  run.current = of;
  // Whoever chose no attempt sees the newest: another one starts the log again.
  const key = `${of.uid} ${view.attempt ?? `newest ${of.attempt}`} ${view.pod}`;
  const known = useRef("");
  if (known.current !== key || !source.current) {
    source.current?.stop();
    known.current = key;
    source.current = new Source(of, view.attempt, view.pod, tell as () => void, () => !mayGrow(run.current));
  }
  const now = source.current;
  useEffect(() => {
    void now.newest();
    return () => now.stop();
  }, [now]);
  return {
    parts: now.parts,
    part: now.part,
    window: now.window,
    loaded: now.loaded,
    busy: now.busy,
    problem: now.problem,
    hasOlder: olderRange(now.window.first, now.part?.gap ?? null) !== null,
    following: now.following,
    live: !(now.part?.complete ?? !mayGrow(of)),
    older: () => void now.older(),
    newest: () => void now.newest(),
    follow: () => now.follow(),
    unfollow: () => now.unfollow(),
  };
}
