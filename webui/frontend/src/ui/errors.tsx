// What went wrong, why, and what to do: one way to say it everywhere.
import type { JSX } from "preact";
import { type Problem, type Waiting } from "../client";
import { duration, sentence } from "../lib/format";
import { useNow } from "../lib/hooks";
import { ROLE_LABEL } from "../names";
import { Icon } from "./icons";

// What is the case, in a few words; the server's title is only the name of the status.
const WHAT: Record<string, string> = {
  wrong_login: "You could not be signed in",
  wrong_code: "The code was not accepted",
  too_many_attempts: "Too many attempts",
  not_found: "Not found",
  forbidden: "You may not do this",
  invalid: "Something is not right yet",
  taken: "This user exists already",
  conflict: "Somebody was faster",
  refused_by_cluster: "The cluster refused it",
  cluster_unavailable: "The cluster does not answer",
  version_not_indexed: "This version is still being loaded",
  version_not_found: "There is no such version",
  database_unavailable: "The database cannot be reached",
  data_server_starting: "The data server has not started",
  data_server_busy: "The data server is busy",
  data_server_failed: "The data server failed",
  outputs_unavailable: "The files cannot be read now",
  output_not_found: "It is not there any more",
  output_unreadable: "It may not be read",
  not_a_directory: "This is no directory",
  query_too_costly: "This search takes too long",
  internal: "The server failed",
};

// What a person can do, where the server's own sentence does not say.
const HOW: Record<string, string> = {
  database_unavailable: "PostgreSQL does not answer the web process. It is tried again by itself; nothing is lost.",
  version_not_indexed: "The recorder is still loading this version. Wait a moment, then try again.",
  version_not_found: "The link names a version that is gone. Choose another version.",
  data_server_starting: `Look at its pod: kubectl get pods -l '${ROLE_LABEL} in (serve, outputs)' in this namespace.`,
  forbidden: "Ask an administrator for the namespace or the role.",
};

/** "body.namespaces[1]" → "namespaces, number 2,". */
function fieldName(path: string): string {
  return path
    .replace(/^(body|query|path)\./, "")
    .replace(/\[(\d+)\]/g, (_, at: string) => `, number ${Number(at) + 1},`);
}

interface Props {
  problem: Problem;
  retry?: (() => void) | undefined;
}

export function ErrorNote({ problem, retry }: Props): JSX.Element {
  const how = HOW[problem.code];
  const fields = problem.body.errors ?? [];
  return (
    <div class="notice bad" role="alert">
      <Icon name="error" />
      <div class="body">
        <strong>{WHAT[problem.code] ?? problem.title}</strong>
        {fields.length === 0 && problem.detail && problem.detail !== problem.title && (
          <p class="any-break">{sentence(problem.detail)}</p>
        )}
        {fields.map((error) => (
          <p key={error.field} class="any-break">
            {sentence(`${fieldName(error.field)} ${error.message}`)}
          </p>
        ))}
        {how && <p class="soft">{how}</p>}
        {problem.body.requestId && <p class="soft tiny mono">Request {problem.body.requestId}</p>}
      </div>
      {retry && (
        <button type="button" class="btn slim" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Shown while an answer is waited for: why, and for how long already. */
export function WaitingNote({ waiting, what }: { waiting: Waiting; what: string }): JSX.Element {
  const now = useNow();
  const starting = waiting.code === "data_server_starting";
  return (
    <div class="notice busy" role="status" data-testid="waiting">
      <Icon name="busy" spin />
      <div class="body">
        <strong>{starting ? "The data server is starting" : "The server asks to wait"}</strong>
        <p>{starting ? `${what} will appear by themselves in a few seconds.` : waiting.detail}</p>
      </div>
      <span class="tiny soft" aria-hidden="true">
        {duration((now - waiting.since) / 1000)}
      </span>
    </div>
  );
}

/** Grey shapes where text will be. */
export function Bones({ lines = 3, height = 14 }: { lines?: number; height?: number }): JSX.Element {
  return (
    <div class="stack" aria-busy="true" role="status">
      <span class="hidden-text">Loading</span>
      {Array.from({ length: lines }, (_, i) => (
        <div key={i} class="bone" style={{ height: `${height}px`, width: `${92 - ((i * 37) % 45)}%` }} />
      ))}
    </div>
  );
}
