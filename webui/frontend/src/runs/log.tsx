// The log of a run: its newest lines, following while it runs, older parts on demand.
import type { JSX } from "preact";
import type { LogPart, Run } from "../api-runs";
import { rawLogUrl } from "../endpoints-runs";
import { size } from "../lib/format";
import { ErrorNote, Bones } from "../ui/errors";
import { Icon } from "../ui/icons";
import { LogLines } from "./log-lines";
import { useLog, type LogState } from "./log-source";
import type { RunView } from "./state";
import { mayGrow, over } from "./words";

interface Props {
  of: Run;
  view: RunView;
  change: (patch: Partial<RunView>) => void;
}

const partKey = (of: { attempt: number; pod: string }): string => `${of.attempt} ${of.pod}`;

/** Newest attempt first, its pods in order. */
function ordered(parts: readonly LogPart[]): LogPart[] {
  return [...parts].sort((a, b) => b.attempt - a.attempt || (a.pod < b.pod ? -1 : 1));
}

function ChoosePart({ log, change }: { log: LogState; change: Props["change"] }): JSX.Element | null {
  const parts = ordered(log.parts);
  if (parts.length < 2 || !log.part) return null;
  return (
    <select
      class="input slim part"
      aria-label="Attempt and pod"
      value={partKey(log.part)}
      onChange={(event) => {
        const part = parts.find((one) => partKey(one) === event.currentTarget.value);
        if (part) change({ attempt: part.attempt, pod: part.pod });
      }}
    >
      {parts.map((part) => (
        <option key={partKey(part)} value={partKey(part)}>
          Attempt {part.attempt}, {part.pod} ({size(part.bytes)})
        </option>
      ))}
    </select>
  );
}

function Nothing({ of }: { of: Run }): JSX.Element {
  return (
    <p class="in soft small">
      {over(of)
        ? mayGrow(of)
          ? "Nothing was kept yet; what the program printed appears here."
          : "Nothing was written, or the log was not kept."
        : of.state === "running"
          ? "Nothing was written yet; what the program prints appears here."
          : "The log begins when the first pod runs."}
    </p>
  );
}

export function Log({ of, view, change }: Props): JSX.Element {
  const log = useLog(of, view);
  const { part, window: shown } = log;
  return (
    <section class="card log-card" aria-label="Log">
      <div class="head tools">
        <h2>Log</h2>
        {part && (
          <span class="soft small">
            {size(part.bytes)}
            {log.following && log.live && ", following"}
          </span>
        )}
        <div class="tools push">
          <ChoosePart log={log} change={change} />
          {part && (
            <>
              <button type="button" class="btn slim" disabled={!log.hasOlder || log.busy} onClick={log.older}>
                Older
              </button>
              <button type="button" class="btn slim" aria-pressed={log.following} onClick={log.newest}>
                Newest
              </button>
              <a
                class="btn slim icon"
                href={rawLogUrl(of, { attempt: part.attempt, pod: part.pod })}
                download={`${of.name}-${part.attempt}-${part.pod}.log`}
                aria-label="Download the whole log"
                title="Download the whole log"
              >
                <Icon name="download" />
              </a>
            </>
          )}
        </div>
      </div>
      {log.problem && (
        <div class="in">
          <ErrorNote problem={log.problem} retry={log.newest} />
        </div>
      )}
      {!log.loaded && !log.problem && (
        <div class="in">
          <Bones lines={5} />
        </div>
      )}
      {log.loaded && shown.lines.length === 0 && !log.problem && <Nothing of={of} />}
      {shown.lines.length > 0 && (
        <LogLines
          key={part ? partKey(part) : ""}
          shown={shown}
          following={log.following}
          leave={log.unfollow}
          follow={log.follow}
        />
      )}
    </section>
  );
}
