// Says when what is shown may be old: the database away, the operator silent, the stream broken for long.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { health } from "../health";
import { duration } from "../lib/format";
import { useNow } from "../lib/hooks";
import { useStore } from "../lib/store";
import { Icon } from "./icons";

// A stream that is back within this time is nobody's business.
const PATIENCE = 6000;

export function Banner(): JSX.Element | null {
  const state = useStore(health);
  const now = useNow();
  const lost = state.stream === "lost";
  const [lostSince, setLostSince] = useState(0);
  useEffect(() => setLostSince(lost ? Date.now() : 0), [lost]);
  let text = "";
  if (!state.database) text = "The database is unreachable. What you see is from before; it is tried again by itself.";
  else if (state.staleSeconds !== null) {
    const age = state.staleSeconds + (now - state.heardAt) / 1000;
    text = `Status is ${duration(age)} old: the operator does not report. Look at its pod if this lasts.`;
  } else if (lost && lostSince && now - lostSince > PATIENCE) {
    text = "Live updates are interrupted; reconnecting. Reload to see the newest status.";
  }
  return (
    <div role="status" data-testid="health-banner">
      {text && (
        <div class="notice warn banner">
          <Icon name="alert" />
          <div class="body">{text}</div>
        </div>
      )}
    </div>
  );
}
