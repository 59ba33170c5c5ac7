// Collects changes and hands them over once a frame: a hundred changes a second cost at most one rendering each frame.
import type { ChangeEvent } from "../api";

export interface Batch {
  /** The newest change of each object, in the order of their first arrival. */
  changes: ReadonlyMap<string, ChangeEvent>;
  /** Changes were missed: fetch again. The changes of this batch are newer than that. */
  reset: boolean;
}

/** Calls back soon, at the latest before the next frame is painted. */
export type Schedule = (callback: () => void) => void;

export class Coalescer {
  private changes = new Map<string, ChangeEvent>();
  private reset = false;
  private scheduled = false;

  constructor(
    private readonly deliver: (batch: Batch) => void,
    private readonly schedule: Schedule,
  ) {}

  change(event: ChangeEvent): void {
    this.changes.set(event.uid, event);
    this.wake();
  }

  /** What came before is no longer complete. */
  missed(): void {
    this.reset = true;
    this.changes.clear();
    this.wake();
  }

  private wake(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.schedule(() => this.flush());
  }

  private flush(): void {
    this.scheduled = false;
    const batch: Batch = { changes: this.changes, reset: this.reset };
    this.changes = new Map();
    this.reset = false;
    this.deliver(batch);
  }
}

/** A frame while the page is seen; hidden pages paint none, so a timer then. */
export const nextFrame: Schedule = (callback) => {
  if (document.hidden) setTimeout(callback, 250);
  else requestAnimationFrame(callback);
};
