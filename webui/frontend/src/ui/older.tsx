// The end of a list of which more can be fetched: a button, or why the last try failed.
import type { JSX } from "preact";
import type { Older } from "../lib/older";
import { ErrorNote } from "./errors";

export function ShowOlder({ of, label = "Show older" }: { of: Older<unknown>; label?: string }): JSX.Element | null {
  if (of.problem)
    return (
      <div class="in">
        <ErrorNote problem={of.problem} retry={of.more} />
      </div>
    );
  if (!of.left) return null;
  return (
    <div class="in">
      <button type="button" class="btn slim" onClick={of.more}>
        {label}
      </button>
    </div>
  );
}
