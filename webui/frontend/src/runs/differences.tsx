// Settings and results of several runs side by side.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Run } from "../api-runs";
import { runPath } from "../paths";
import { LongText } from "../ui/long";
import { differences, resultsOf, settingsOf, type Difference } from "./compare";
import type { Other } from "./others";

function Lines({ title, rows }: { title: string; rows: readonly Difference[] }): JSX.Element | null {
  if (rows.length === 0) return null;
  const first = rows[0] as Difference;
  return (
    <tbody>
      <tr>
        <th colSpan={first.values.length + 1} scope="rowgroup" class="group">
          {title}
        </th>
      </tr>
      {rows.map((row) => (
        <tr key={row.key}>
          <th scope="row" class="mono any-break">
            {row.key}
          </th>
          {row.values.map((value, i) => (
            <td key={i} class={row.differs && value !== row.values[0] ? "mono other" : "mono"}>
              {value === null ? <span class="soft">–</span> : <div class="clamp"><LongText text={value} most={200} /></div>}
            </td>
          ))}
        </tr>
      ))}
    </tbody>
  );
}

export function Differences({ of, others }: { of: Run; others: readonly Other[] }): JSX.Element {
  const [all, setAll] = useState(false);
  const columns = [{ look: 1, run: of }, ...others.flatMap(({ look, run }) => (run ? [{ look, run }] : []))];
  const runs = columns.map((one) => one.run);
  const gone = others.filter((one) => one.problem);
  const settings = differences(runs.map(settingsOf)).filter((row) => all || row.differs);
  const results = differences(runs.map(resultsOf), false);
  return (
    <section class="card" aria-label="Differences">
      <div class="head">
        <h2>Differences</h2>
        <label class="row small push">
          <input type="checkbox" checked={all} onChange={(event) => setAll(event.currentTarget.checked)} />
          Also what is the same
        </label>
      </div>
      {gone.map((one) => (
        <p key={one.name} class="in soft small any-break">
          {one.name}: {one.problem?.status === 404 ? "there is no such run any more" : one.problem?.message}
        </p>
      ))}
      {runs.length > 1 && (
        <div class="table-card">
          <table class="table differences">
            <thead>
              <tr>
                <th scope="col">
                  <span class="hidden-text">Setting</span>
                </th>
                {columns.map(({ run, look }) => (
                  <th key={run.uid} scope="col">
                    <span class="row">
                      <i class={`swatch series-${look}`} aria-hidden="true" />
                      {look === 1 ? <span class="cut">{run.name}</span> : <a class="cut" href={runPath(run)}>{run.name}</a>}
                    </span>
                  </th>
                ))}
              </tr>
            </thead>
            <Lines title="Results" rows={results} />
            <Lines title="Settings" rows={settings} />
          </table>
          {settings.length === 0 && <p class="soft small same">All settings are the same.</p>}
        </div>
      )}
    </section>
  );
}
