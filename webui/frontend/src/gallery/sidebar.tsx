// The gallery's filters with how many samples each would leave: a click chooses, another one takes it back.
import type { JSX, RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Count, Facets, LabelCount, Version } from "../api";
import type { Working } from "../api-working";
import { count } from "../lib/format";
import type { QueryResult } from "../lib/query";
import { Bones, ErrorNote } from "../ui/errors";
import { Icon } from "../ui/icons";
import { NOT_SEALED, type GalleryState } from "./state";

interface BarProps {
  text: string;
  samples: number;
  most: number;
  chosen: boolean;
  onClick: () => void;
}

function Bar({ text, samples, most, chosen, onClick }: BarProps): JSX.Element {
  const share = most > 0 ? Math.max(samples / most, samples > 0 ? 0.01 : 0) : 0;
  return (
    <li>
      <button type="button" class="facet" aria-pressed={chosen} onClick={onClick} title={text}>
        <span class="facet-bar" style={{ transform: `scaleX(${share})` }} />
        <span class="cut">{text}</span>
        {/* gallery.css puts a comma in between for those who listen */}
        <span class="number">{count(samples)}</span>
      </button>
    </li>
  );
}

/** A text field that tells its text once the typing rests. */
function Typed(props: {
  label: string;
  placeholder: string;
  value: string;
  onText: (text: string) => void;
  field?: RefObject<HTMLInputElement | null>;
  hint?: string;
}): JSX.Element {
  const [text, setText] = useState(props.value);
  const told = useRef(props.value);
  useEffect(() => {
    // From elsewhere (back, "show all"): not our own text coming back while the person types on.
    if (props.value !== told.current) {
      told.current = props.value;
      setText(props.value);
    }
  }, [props.value]);
  useEffect(() => {
    if (text === told.current) return undefined;
    const timer = window.setTimeout(() => {
      told.current = text;
      props.onText(text);
    }, 250);
    return () => window.clearTimeout(timer);
  }, [text]);
  return (
    <div class="find">
      <Icon name="search" />
      <input
        ref={props.field ?? null}
        class="input"
        type="search"
        aria-label={props.label}
        placeholder={props.placeholder}
        value={text}
        spellcheck={false}
        autocapitalize="none"
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
      />
      {props.hint && <kbd aria-hidden="true">{props.hint}</kbd>}
    </div>
  );
}

// With fewer labels than this one sees them all: no search is offered.
const SEARCH_FROM = 15;
// So few labels stand in their own order (0, 1, 2, …) and stay where they are when another filter changes the counts;
// of many, the most frequent come first.
const ORDERED_UP_TO = 40;
const order = new Intl.Collator("en", { numeric: true });

// Samples that are not sealed yet may be without a split: it is no filter.
const named = (one: Count): boolean => one.name !== "";

/** Labels in the order in which they are shown. */
export function arranged(labels: readonly LabelCount[], more: boolean): readonly LabelCount[] {
  if (more || labels.length > ORDERED_UP_TO) return labels;
  const rank = (one: LabelCount): number => (one.label === null ? 1 : 0);
  return [...labels].sort((a, b) => rank(a) - rank(b) || order.compare(a.text, b.text));
}

interface Props {
  state: GalleryState;
  set: (patch: Partial<GalleryState>) => void;
  versions: readonly Version[];
  working: Working | null;
  /** Null: what is not sealed is shown. */
  version: Version | null;
  facets: QueryResult<Facets>;
  prefixField: RefObject<HTMLInputElement | null>;
}

/** Which version is shown, or what is in none: where there is a choice. */
function VersionChoice({ set, versions, working, version }: Pick<Props, "set" | "versions" | "working" | "version">): JSX.Element | null {
  const unsealed = !version || (working !== null && working.notSealed > 0);
  if (versions.length + (unsealed ? 1 : 0) < 2) return null;
  return (
    <select
      class="input"
      aria-label="Version"
      value={version?.digest ?? NOT_SEALED}
      onChange={(event) => {
        const value = event.currentTarget.value;
        const chosen = versions.find((one) => one.digest === value);
        const usual = !chosen || chosen.current ? "" : chosen.digest.slice(0, 16);
        set({ version: value === NOT_SEALED ? NOT_SEALED : usual });
      }}
    >
      {unsealed && <option value={NOT_SEALED}>Not sealed yet ({count(working?.notSealed ?? 0)})</option>}
      {versions.map((one) => (
        <option key={one.digest} value={one.digest}>
          {one.current ? "Current version" : "Version"} {one.sequence}
        </option>
      ))}
    </select>
  );
}

export function Sidebar({ state, set, versions, working, version, facets, prefixField }: Props): JSX.Element {
  const data = facets.data;
  const mostSplit = Math.max(1, ...(data?.splits.map((one) => one.samples) ?? []));
  const mostLabel = Math.max(1, ...(data?.labels.map((one) => one.samples) ?? []));
  const search = state.labelText !== "" || (data && (data.moreLabels || data.labels.length >= SEARCH_FROM));
  const filtered = state.split !== "" || state.label !== "" || state.prefix !== "";
  return (
    <div class="filters">
      <VersionChoice set={set} versions={versions} working={working} version={version} />
      <Typed
        label="Key prefix"
        placeholder="Key prefix"
        value={state.prefix}
        onText={(prefix) => set({ prefix })}
        field={prefixField}
        hint="/"
      />
      {facets.error && <ErrorNote problem={facets.error} retry={facets.reload} />}
      {!data && facets.loading && <Bones lines={8} height={22} />}
      {data && (
        <div class={facets.outdated ? "filters fading" : "filters"}>
          <section aria-label="Splits" hidden={!data.splits.some(named)}>
            <h2>Split</h2>
            <ul>
              {data.splits.filter(named).map((one) => (
                <Bar
                  key={one.name}
                  text={one.name}
                  samples={one.samples}
                  most={mostSplit}
                  chosen={state.split === one.name}
                  onClick={() => set({ split: state.split === one.name ? "" : one.name })}
                />
              ))}
            </ul>
          </section>
          <section aria-label="Labels">
            <h2>Label</h2>
            {search && (
              <Typed
                label="Search labels"
                placeholder="Search labels"
                value={state.labelText}
                onText={(labelText) => set({ labelText })}
              />
            )}
            <ul class="labels">
              {arranged(data.labels, data.moreLabels).map((one) => {
                const value = one.label ?? "null";
                return (
                  <Bar
                    key={value}
                    text={one.label === null ? "no label" : one.text}
                    samples={one.samples}
                    most={mostLabel}
                    chosen={state.label === value}
                    onClick={() => set({ label: state.label === value ? "" : value })}
                  />
                );
              })}
            </ul>
            {data.labels.length === 0 && (
              <p class="soft small">{state.labelText ? "No label matches." : "There are no labels."}</p>
            )}
            {data.moreLabels && <p class="soft tiny">The most frequent are shown; search for others.</p>}
          </section>
          {filtered && (
            <button type="button" class="btn slim" onClick={() => set({ split: "", label: "", prefix: "" })}>
              <Icon name="close" />
              Clear filters
            </button>
          )}
        </div>
      )}
    </div>
  );
}
