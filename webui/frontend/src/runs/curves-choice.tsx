// What the curves show: which metrics, over what, and which other runs.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Run, RunSummary } from "../api-runs";
import type { Fetching } from "../endpoints";
import { listRuns } from "../endpoints-runs";
import { contains } from "../live/rows";
import { useSettled } from "../lib/hooks";
import { useQuery } from "../lib/query";
import { Combobox, type Choice } from "../ui/combobox";
import { Dialog } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { MOST_COMPARED } from "./compare";
import { MOST_CHARTS, type Axis } from "./series";
import type { RunView } from "./state";
import { metricText, orderedMetrics } from "./words";

// More names than this are found by typing.
const MOST_NAMES = 200;

interface MetricsProps {
  names: readonly string[];
  picks: readonly string[];
  choose: (names: string[]) => void;
}

export function ChooseMetrics({ names, picks, choose }: MetricsProps): JSX.Element | null {
  const [open, setOpen] = useState(false);
  const [text, setText] = useState("");
  if (names.length < 2) return null;
  const toggle = (name: string): void =>
    choose(picks.includes(name) ? picks.filter((one) => one !== name) : [...picks, name]);
  const found = names.filter((name) => contains(text, name));
  return (
    <>
      <button type="button" class="btn slim" onClick={() => setOpen(true)}>
        {picks.length} of {names.length} metrics
        <Icon name="down" />
      </button>
      {open && (
        <Dialog title="Metrics" onClose={() => setOpen(false)}>
          <input
            class="input"
            type="search"
            aria-label="Filter metrics"
            placeholder="Filter by name"
            autofocus
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
          <ul class="choices">
            {found.slice(0, MOST_NAMES).map((name) => (
              <li key={name}>
                <label class="row">
                  <input
                    type="checkbox"
                    checked={picks.includes(name)}
                    disabled={
                      picks.includes(name) ? picks.length === 1 : picks.length >= MOST_CHARTS
                    }
                    onChange={() => toggle(name)}
                  />
                  <span class="any-break">{name}</span>
                </label>
              </li>
            ))}
          </ul>
          {found.length === 0 && <p class="soft small">Nothing matches.</p>}
          <p class="soft tiny">
            At most {MOST_CHARTS} at once.{found.length > MOST_NAMES && " Type to find others."}
          </p>
        </Dialog>
      )}
    </>
  );
}

interface AxisProps {
  axis: Axis;
  log: boolean;
  change: (patch: Partial<RunView>) => void;
}

export function ChooseAxis({ axis, log, change }: AxisProps): JSX.Element {
  return (
    <>
      <select
        class="input slim"
        aria-label="Horizontal axis"
        value={axis}
        onChange={(event) => change({ axis: event.currentTarget.value as Axis })}
      >
        <option value="step">by step</option>
        <option value="time">by time</option>
      </select>
      <label class="row small">
        <input type="checkbox" checked={log} onChange={(event) => change({ log: event.currentTarget.checked })} />
        log scale
      </label>
    </>
  );
}

const MOST_DATASETS = 4;
const FOUND = 50;

/** Other runs of the same data sets; all of the namespace where a run has none. */
async function relatives(of: Run, text: string, how: Fetching): Promise<RunSummary[]> {
  const sets = of.datasets.slice(0, MOST_DATASETS).map((one) => one.name);
  const pages = await Promise.all(
    (sets.length ? sets : [""]).map((dataset) =>
      listRuns({ namespace: of.namespace, dataset, q: text, limit: FOUND }, how),
    ),
  );
  const found = new Map(pages.flatMap((page) => page.items).map((run) => [run.uid, run]));
  return [...found.values()].sort((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt));
}

function choiceOf(run: RunSummary): Choice {
  const first = orderedMetrics(run.metrics, run.objective)[0];
  return {
    value: run.name,
    text: run.name,
    detail: first ? `${first.name} ${metricText(first.value)}` : run.reason,
  };
}

interface CompareProps {
  of: Run;
  names: readonly string[];
  choose: (names: string[]) => void;
}

export function CompareWith({ of, names, choose }: CompareProps): JSX.Element {
  const [text, setText] = useState("");
  const [used, setUsed] = useState(false);
  const settled = useSettled(text, 150);
  const found = useQuery(used ? `relatives ${of.uid} ${settled}` : null, (how) => relatives(of, settled, how));
  const choices = (found.data ?? []).filter((run) => run.uid !== of.uid && !names.includes(run.name)).map(choiceOf);
  return (
    <div class="compare">
      {names.map((name, i) => (
        <span key={name} class="tag chip">
          <i class={`swatch series-${i + 2}`} aria-hidden="true" />
          <span class="cut" title={name}>
            {name}
          </span>
          <button
            type="button"
            class="btn slim icon ghost"
            aria-label={`Stop comparing with ${name}`}
            onClick={() => choose(names.filter((one) => one !== name))}
          >
            <Icon name="close" />
          </button>
        </span>
      ))}
      {names.length < MOST_COMPARED && (
        <div class="compare-field" onFocusCapture={() => setUsed(true)}>
          <Combobox
            label="Compare with another run"
            placeholder="Compare with another run"
            value=""
            shown=""
            choices={choices}
            loading={found.loading}
            onType={setText}
            onChoose={(name) => choose([...names, name])}
          />
        </div>
      )}
    </div>
  );
}
