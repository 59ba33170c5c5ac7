// What every object's page shows: its conditions, and what was said about it.
import type { JSX } from "preact";
import type { Condition, HistoryEntry, Listing } from "../api";
import type { Query } from "../client";
import type { Fetching, Named } from "../endpoints";
import { moment, stamp } from "../lib/format";
import { useAge } from "../lib/hooks";
import { useOlder } from "../lib/older";
import { useQuery } from "../lib/query";
import { Bones, ErrorNote } from "../ui/errors";
import { Icon, type IconName } from "../ui/icons";
import { ShowOlder } from "../ui/older";

/** The time of a condition that the schema made with the object (blueno/resources/conditions.py): nobody has said it. */
const SCHEMA_MADE = "1970-01-01T00:00:00Z";

function Ago({ at }: { at: string }): JSX.Element {
  const { text, title } = useAge(at);
  return (
    <time class="soft" dateTime={at} title={title}>
      {text} ago
    </time>
  );
}

/** True is good news, except for the conditions that say something is going on, at rest or wrong. */
function conditionLook(of: Condition): { tone: string; icon: IconName } {
  if (of.status === "Unknown") return { tone: "idle", icon: "clock" };
  if (of.type === "Stalled")
    return of.status === "True" ? { tone: "bad", icon: "error" } : { tone: "idle", icon: "minus" };
  if (of.type === "Reconciling")
    return of.status === "True" ? { tone: "busy", icon: "busy" } : { tone: "idle", icon: "minus" };
  if (of.type === "Suspended") return { tone: "idle", icon: of.status === "True" ? "pause" : "minus" };
  if (of.type === "Succeeded" && of.status === "False") return { tone: "bad", icon: "error" };
  if (of.type === "PodsReady" && of.status === "False") return { tone: "idle", icon: "minus" };
  return of.status === "True" ? { tone: "ok", icon: "check" } : { tone: "warn", icon: "clock" };
}

export function Conditions({ items }: { items: readonly Condition[] }): JSX.Element | null {
  if (items.length === 0) return null;
  return (
    <section class="card" aria-label="Conditions">
      <div class="head">
        <h2>Conditions</h2>
      </div>
      <ul class="conditions">
        {items.map((of) => {
          const { tone, icon } = conditionLook(of);
          return (
            <li key={of.type}>
              <div class="row">
                <span class={`status ${tone}`}>
                  <Icon name={icon} />
                  {of.type}
                </span>
                <span class="tag">{of.status}</span>
                {of.lastTransitionTime && of.lastTransitionTime !== SCHEMA_MADE && (
                  <span class="push tiny">
                    <Ago at={of.lastTransitionTime} />
                  </span>
                )}
              </div>
              <p class="soft small any-break">
                {of.reason}
                {of.message && `: ${of.message}`}
              </p>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

const HISTORY_PAGE = 20;

interface HistoryProps {
  of: Named;
  /** Changes when there is more to say. */
  revision: number;
  list: (of: Named, query: Query, how?: Fetching) => Promise<Listing<HistoryEntry>>;
  kind: string;
}

/** What was said about an object, newest first. */
export function History({ of, revision, list, kind }: HistoryProps): JSX.Element {
  const at = `${kind} ${of.namespace}/${of.name}`;
  const head = useQuery(`history ${at} ${revision}`, (how) => list(of, { limit: HISTORY_PAGE }, how));
  const older = useOlder(at, head.data, (cursor) => list(of, { limit: HISTORY_PAGE, cursor }));
  const items = [...(head.data?.items ?? []), ...older.items];
  const key = (entry: HistoryEntry): string => `${entry.at} ${entry.condition}`;
  const seen = new Map(items.map((entry) => [key(entry), entry])); // newer pages may overlap older ones
  return (
    <section class="card" aria-label="History">
      <div class="head">
        <h2>History</h2>
      </div>
      {head.error && (
        <div class="in">
          <ErrorNote problem={head.error} retry={head.reload} />
        </div>
      )}
      {!head.data && head.loading && (
        <div class="in">
          <Bones lines={3} />
        </div>
      )}
      {head.data && items.length === 0 && <div class="in soft small">Nothing has been recorded yet.</div>}
      <ol class="history">
        {[...seen.values()].map((entry) => (
          <li key={key(entry)}>
            <time class="soft" dateTime={entry.at} title={moment(entry.at)}>
              {stamp(entry.at, Date.now())}
            </time>
            <div>
              <strong>{entry.reason}</strong>{" "}
              <span class="soft">
                {entry.condition} {entry.status}
              </span>
              {entry.message && <p class="soft any-break">{entry.message}</p>}
            </div>
          </li>
        ))}
      </ol>
      <ShowOlder of={older} />
    </section>
  );
}
