// Short words for everybody: a toast that is seen, and a polite announcement for those who listen.
import type { JSX } from "preact";
import { Store, useStore } from "../lib/store";

const toast = new Store("");
const said = new Store("");
let timer = 0;
let queued: string[] = [];
let speaking = 0;

const SHOWN = 2500;
// A screen reader that is interrupted every second says nothing: collect, then speak.
const SPEAK_EVERY = 3000;
const MOST_SPOKEN = 3;

export function showToast(text: string): void {
  window.clearTimeout(timer);
  toast.set(text);
  timer = window.setTimeout(() => toast.set(""), SHOWN);
}

/** Reads a text out when there is time for it; of many, only how many there were. */
export function announce(text: string): void {
  queued.push(text);
  if (speaking) return;
  speaking = window.setTimeout(() => {
    said.set(queued.length > MOST_SPOKEN ? `${queued.length} changes` : queued.join(". "));
    queued = [];
    speaking = 0;
  }, SPEAK_EVERY);
}

export function Voices(): JSX.Element {
  return (
    <>
      <div class="toast" role="status">
        {useStore(toast)}
      </div>
      <div class="hidden-text" aria-live="polite" data-testid="announcements">
        {useStore(said)}
      </div>
    </>
  );
}
