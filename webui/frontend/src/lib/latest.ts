// Work of which only the newest matters, one piece at a time: a slider that is dragged asks for as many pictures as
// the server can make, not for one each pixel.

export class Latest<K> {
  private running: AbortController | null = null;
  private next: { key: K } | null = null;

  constructor(private readonly work: (key: K, signal: AbortSignal) => Promise<void>) {}

  want(key: K): void {
    if (this.running) {
      this.next = { key };
      return;
    }
    const abort = new AbortController();
    this.running = abort;
    const done = (): void => {
      if (abort.signal.aborted) return;
      this.running = null;
      const next = this.next;
      this.next = null;
      if (next) this.want(next.key);
    };
    this.work(key, abort.signal).then(done, done);
  }

  /** Ends what runs and forgets what was wanted. */
  stop(): void {
    this.next = null;
    this.running?.abort();
    this.running = null;
  }
}
