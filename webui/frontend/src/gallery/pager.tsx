// Which samples are shown out of how many, and the ways to others.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { count } from "../lib/format";
import { SIZES, pageAt, pageCount, pageStart, pageStep, parsePage } from "../lib/paging";
import { Icon, type IconName } from "../ui/icons";

interface Props {
  total: number;
  position: number;
  shown: number;
  size: number;
  busy: boolean;
  go: (position: number) => void;
  resize: (size: number) => void;
}

export function Pager({ total, position, shown, size, busy, go, resize }: Props): JSX.Element {
  const page = pageAt(position, size);
  const pages = pageCount(total, size);
  const [typed, setTyped] = useState<string | null>(null);
  useEffect(() => setTyped(null), [position, size]);
  const jump = (): void => {
    const wanted = typed === null ? null : parsePage(typed);
    setTyped(null);
    if (wanted !== null) go(pageStart(wanted, total, size));
  };
  const back = pageStep(position, total, size, -1);
  const on = pageStep(position, total, size, 1);
  const button = (label: string, icon: IconName, to: number | null): JSX.Element => (
    <button
      type="button"
      class="btn slim icon ghost"
      aria-label={label}
      title={label}
      disabled={to === null}
      onClick={() => to !== null && go(to)}
    >
      <Icon name={icon} />
    </button>
  );
  return (
    <div class="pager" aria-busy={busy}>
      <p role="status" data-testid="range">
        {total === 0 ? (
          "No samples"
        ) : (
          <>
            <strong>
              {count(position + 1)}–{count(position + shown)}
            </strong>{" "}
            of <strong data-testid="total">{count(total)}</strong>
          </>
        )}
        <span class="hidden-text">{total > 0 && `, page ${page} of ${pages}`}</span>
      </p>
      <nav class="row push" aria-label="Pages">
        {button("First page", "first", back === null ? null : 0)}
        {button("Previous page", "left", back)}
        <label class="row small">
          <span class="soft">Page</span>
          <input
            class="input jump"
            inputMode="numeric"
            aria-label="Page number"
            value={typed ?? String(page)}
            onInput={(event) => setTyped(event.currentTarget.value)}
            onFocus={(event) => event.currentTarget.select()}
            onBlur={jump}
            onKeyDown={(event) => {
              if (event.key === "Enter") jump();
              if (event.key === "Escape") event.currentTarget.blur();
            }}
          />
          <span class="soft">of {count(pages)}</span>
        </label>
        {button("Next page", "right", on)}
        {button("Last page", "last", on === null ? null : pageStart(pages, total, size))}
      </nav>
      <select
        class="input slim-select wide"
        aria-label="Samples per page"
        value={String(size)}
        onChange={(event) => resize(Number(event.currentTarget.value))}
      >
        {SIZES.map((one) => (
          <option key={one} value={String(one)}>
            {one} per page
          </option>
        ))}
      </select>
    </div>
  );
}
