// Texts of any length: the beginning, and the rest for who asks.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { count } from "../lib/format";

export function LongText({ text, most = 400 }: { text: string; most?: number }): JSX.Element {
  const [all, setAll] = useState(false);
  if (text.length <= most) return <>{text}</>;
  return (
    <>
      {all ? text : `${text.slice(0, most)}…`}{" "}
      <button type="button" class="link" aria-expanded={all} onClick={() => setAll(!all)}>
        {all ? "Show less" : `Show all ${count(text.length)} characters`}
      </button>
    </>
  );
}
