// How far what is shown can be trusted: told by the event stream and by answers' headers; shown by ui/banner.tsx.
import type { HealthEvent } from "./api";
import { Store } from "./lib/store";

export type Stream = "connecting" | "live" | "lost" | "signed-out";

export interface Health {
  stream: Stream;
  database: boolean;
  /** Seconds since the operator last said anything, when that is long. */
  staleSeconds: number | null;
  /** Milliseconds since the epoch when `staleSeconds` was true. */
  heardAt: number;
}

const STALE_AFTER = 15;

class HealthStore extends Store<Health> {
  /** From the event stream. */
  told(event: HealthEvent): void {
    const old = event.mirrorAgeSeconds;
    const stale = old !== null && old > STALE_AFTER ? old : null;
    this.set({ ...this.get(), database: event.database, staleSeconds: stale, heardAt: Date.now() });
  }

  /** From the header of an answer; an answer without it proves that the database and the mirror are well. */
  heard(header: string | null): void {
    const seconds = header === null ? null : Number(header);
    const stale = seconds !== null && Number.isFinite(seconds) ? seconds : null;
    if (stale === null && this.get().staleSeconds === null) return;
    this.set({ ...this.get(), staleSeconds: stale, heardAt: Date.now() });
  }

  streamIs(stream: Stream): void {
    if (this.get().stream !== stream) this.set({ ...this.get(), stream });
  }
}

export const health = new HealthStore({ stream: "connecting", database: true, staleSeconds: null, heardAt: 0 });
