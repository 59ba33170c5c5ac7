// Lines of a log, of which only those in sight are in the page: a hundred thousand scroll like fifty.
import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { shownLine, type LogWindow } from "./log-text";

const HEIGHT = 18; // px of a line; styles/runs.css has the same
const AROUND = 20; // lines above and below what is in sight

interface Props {
  shown: LogWindow;
  following: boolean;
  /** The person scrolls away from the end. */
  leave: () => void;
  /** The person scrolls to the end. */
  follow: () => void;
}

export function LogLines({ shown, following, leave, follow }: Props): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const [sight, setSight] = useState({ top: 0, lines: 40 });
  const before = useRef({ first: shown.first, lines: shown.lines.length });
  const { lines } = shown;

  const look = (): void => {
    const element = box.current;
    if (!element) return;
    const next = { top: Math.floor(element.scrollTop / HEIGHT), lines: Math.ceil(element.clientHeight / HEIGHT) };
    setSight((old) => (old.top === next.top && old.lines === next.lines ? old : next));
  };

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    // Lines that came in front push the others down: what was in sight stays there.
    const added = shown.first < before.current.first ? lines.length - before.current.lines : 0;
    before.current = { first: shown.first, lines: lines.length };
    if (following) element.scrollTop = element.scrollHeight;
    else if (added > 0) element.scrollTop += added * HEIGHT;
    look();
  }, [shown, following]);

  useLayoutEffect(() => {
    const observer = new ResizeObserver(look);
    if (box.current) observer.observe(box.current);
    return () => observer.disconnect();
  }, []);

  const onScroll = (): void => {
    const element = box.current;
    if (!element) return;
    look();
    const end = element.scrollTop + element.clientHeight >= element.scrollHeight - 2 * HEIGHT;
    if (end) follow();
    else leave();
  };
  const start = Math.max(0, Math.min(sight.top, lines.length) - AROUND);
  const visible = lines.slice(start, start + sight.lines + 2 * AROUND);
  return (
    <div ref={box} class="log" tabIndex={0} role="group" aria-label="Log lines" onScroll={onScroll} data-testid="log">
      <div class="log-all" style={{ height: `${lines.length * HEIGHT}px` }}>
        <div class="log-seen" style={{ transform: `translateY(${start * HEIGHT}px)` }}>
          {visible.map((line, i) => (
            <div key={start + i} class={line.gap ? "log-line gap" : "log-line"}>
              {line.gap ? line.text : shownLine(line.text)}
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}
