// Parts of a page that are lists: conditions and history of any object, versions of a data set.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Condition, HistoryEntry, Listing, Version } from "../api";
import { asProblem, isAbort, type Problem, type Query } from "../client";
import type { Fetching, Named } from "../endpoints";
import { count, moment, size, stamp } from "../lib/format";
import { useAge } from "../lib/hooks";
import { useQuery, type QueryResult } from "../lib/query";
import { galleryQuery } from "../gallery/state";
import { href } from "../router";
import { CopyButton } from "../ui/copy";
import { Bones, ErrorNote } from "../ui/errors";
import { Icon, type IconName } from "../ui/icons";

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
                {of.lastTransitionTime && (
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

export function Versions({ of, query }: { of: Named; query: QueryResult<Listing<Version>> }): JSX.Element {
  const items = query.data?.items ?? [];
  return (
    <section class="card" aria-label="Versions">
      <div class="head">
        <h2>Versions</h2>
        <span class="soft small">that the gallery shows</span>
      </div>
      {query.error && (
        <div class="in">
          <ErrorNote problem={query.error} retry={query.reload} />
        </div>
      )}
      {!query.data && query.loading && (
        <div class="in">
          <Bones lines={2} />
        </div>
      )}
      {query.data && items.length === 0 && (
        <div class="in soft small">None yet: a version appears here once it is sealed and its samples are loaded.</div>
      )}
      {items.length > 0 && (
        <div class="table-card">
          <table class="table versions">
            <thead>
              <tr>
                <th>Version</th>
                <th class="num">Samples</th>
                <th class="num">Size</th>
                <th class="wide">Sealed</th>
              </tr>
            </thead>
            <tbody>
              {items.map((version) => (
                <tr key={version.digest}>
                  <td>
                    <div class="row">
                      <a
                        href={href(
                          "/gallery",
                          galleryQuery(
                            of.namespace,
                            of.name,
                            version.current ? {} : { version: version.digest.slice(0, 16) },
                          ),
                        )}
                      >
                        {version.sequence} <span class="mono">({version.digest.slice(0, 8)})</span>
                      </a>
                      {version.current && <span class="tag accent">current</span>}
                      <CopyButton text={version.digest} what={`digest of version ${version.sequence}`} />
                    </div>
                  </td>
                  <td class="num">{count(version.samples)}</td>
                  <td class="num">{size(version.bytes)}</td>
                  <td class="soft small wide" title={moment(version.sealedAt)}>
                    {stamp(version.sealedAt, Date.now())}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
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
  const [older, setOlder] = useState<{ items: HistoryEntry[]; next: string | null } | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => setOlder(null), [at]);
  const next = older ? older.next : (head.data?.next ?? null);
  const more = (): void => {
    if (!next) return;
    setProblem(null);
    list(of, { limit: HISTORY_PAGE, cursor: next }).then(
      (page) => setOlder({ items: [...(older?.items ?? []), ...page.items], next: page.next ?? null }),
      (error: unknown) => isAbort(error) || setProblem(asProblem(error)),
    );
  };
  const items = [...(head.data?.items ?? []), ...(older?.items ?? [])];
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
      {problem && (
        <div class="in">
          <ErrorNote problem={problem} retry={more} />
        </div>
      )}
      {next && !problem && (
        <div class="in">
          <button type="button" class="btn slim" onClick={more}>
            Show older
          </button>
        </div>
      )}
    </section>
  );
}
