// What a run has written: a small file browser. Opened by hand, since a look wakes the server that reads the claim.
import type { JSX } from "preact";
import type { OutputEntry, Run } from "../api-runs";
import { listOutputs, outputUrl } from "../endpoints-runs";
import { sentence, size } from "../lib/format";
import { useOlder } from "../lib/older";
import { useQuery } from "../lib/query";
import { runPath } from "../paths";
import { href } from "../router";
import { Bones, ErrorNote, WaitingNote } from "../ui/errors";
import { Icon } from "../ui/icons";
import { Age } from "../ui/live-table";
import { ShowOlder } from "../ui/older";
import { crumbs, formatView, type RunView } from "./state";
import { over } from "./words";

interface Props {
  of: Run;
  view: RunView;
}

const inside = (folder: string, name: string): string => (folder ? `${folder}/${name}` : name);
const linkTo = ({ of, view }: Props, files: string | null): string =>
  href(runPath(of), formatView({ ...view, files }));

function Trail({ of, view, path }: Props & { path: string }): JSX.Element {
  const steps = crumbs(path);
  return (
    <nav class="in" aria-label="Directory">
      <div class="tools small">
        {steps.length ? <a href={linkTo({ of, view }, "")}>{of.name}</a> : <strong>{of.name}</strong>}
        {steps.map((step, at) => (
          <span key={step.path} class="any-break">
            <span class="soft">/ </span>
            {at < steps.length - 1 ? <a href={linkTo({ of, view }, step.path)}>{step.name}</a> : <strong>{step.name}</strong>}
          </span>
        ))}
      </div>
    </nav>
  );
}

function Entry({ of, view, path, entry }: Props & { path: string; entry: OutputEntry }): JSX.Element {
  const here = inside(path, entry.name);
  const kinds = { link: "link, not followed", other: "no plain file", file: "", directory: "" };
  return (
    <tr>
      <td class="any-break mono">
        {entry.kind === "directory" ? (
          <a class="row" href={linkTo({ of, view }, here)}>
            <Icon name="folder" /> {entry.name}/
          </a>
        ) : (
          entry.name
        )}
      </td>
      <td class="num">{entry.bytes === null ? <span class="soft">{kinds[entry.kind]}</span> : size(entry.bytes)}</td>
      <td class="num soft wide">{entry.modified && <Age at={entry.modified} />}</td>
      <td class="num">
        {entry.kind === "file" && (
          <a
            class="btn slim icon"
            href={outputUrl(of, here, "raw")}
            download
            aria-label={`Download ${entry.name}`}
            title="Download"
          >
            <Icon name="download" />
          </a>
        )}
      </td>
    </tr>
  );
}

function Files({ of, view, path }: Props & { path: string }): JSX.Element {
  const at = `outputs ${of.uid} ${path}`;
  const head = useQuery(at, (how) => listOutputs(of, { path }, how), { fresh: true });
  const more = useOlder(at, head.data, (cursor) => listOutputs(of, { path, cursor }));
  const items = [...(head.data?.items ?? []), ...more.items];
  const nothingYet = head.error?.code === "no_outputs";
  return (
    <>
      <Trail of={of} view={view} path={path} />
      {head.waiting && (
        <div class="in">
          <WaitingNote waiting={head.waiting} what="The files" />
        </div>
      )}
      {head.error && !nothingYet && (
        <div class="in">
          <ErrorNote problem={head.error} retry={head.reload} />
        </div>
      )}
      {nothingYet && <p class="in soft small">{sentence(head.error?.detail ?? "")}</p>}
      {!head.data && head.loading && !head.waiting && (
        <div class="in">
          <Bones lines={3} />
        </div>
      )}
      {head.data && items.length === 0 && (
        <p class="in soft small">{over(of) ? "Nothing was written here." : "Nothing was written here yet."}</p>
      )}
      {items.length > 0 && (
        <div class="table-card">
          <table class="table">
            <thead>
              <tr>
                <th>Name</th>
                <th class="num">Size</th>
                <th class="num wide">Age</th>
                <th>
                  <span class="hidden-text">Download</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {items.map((entry) => (
                <Entry key={entry.name} of={of} view={view} path={path} entry={entry} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <ShowOlder of={more} label="Show more" />
      <div class="in">
        <div class="tools">
          <button type="button" class="btn slim" onClick={head.reload} disabled={head.loading}>
            Look again
          </button>
          {items.length > 0 && (
            <a class="btn slim" href={outputUrl(of, path, "tar")} download>
              Download this directory (tar)
            </a>
          )}
        </div>
      </div>
    </>
  );
}

export function Outputs({ of, view }: Props): JSX.Element | null {
  if (!of.outputs) return null;
  return (
    <section class="card" aria-label="Outputs">
      <div class="head tools">
        <h2>Outputs</h2>
        <div class="tools push">
          <a class="btn slim" href={linkTo({ of, view }, view.files === null ? "" : null)}>
            {view.files === null ? "Show the files" : "Close"}
          </a>
        </div>
      </div>
      {view.files === null ? (
        <div class="in">
          <p class="soft small">
            What it has written lies in <span class="mono">{of.outputs.path}</span> on the claim{" "}
            <span class="mono">{of.outputs.claimName}</span>. The first look takes a few seconds.
          </p>
        </div>
      ) : (
        <Files of={of} view={view} path={view.files} />
      )}
    </section>
  );
}
