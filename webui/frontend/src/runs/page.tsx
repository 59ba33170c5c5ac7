// One training run: where it stands and why, its curves, its log, what it was made of.
import type { JSX } from "preact";
import type { Run } from "../api-runs";
import type { Named } from "../endpoints";
import { getRun, listRunHistory } from "../endpoints-runs";
import { useTitle } from "../lib/hooks";
import { useQuery } from "../lib/query";
import { useStore } from "../lib/store";
import { changesOf, useRevision } from "../live/revision";
import { RUN_KIND } from "../names";
import { Conditions, History } from "../pages/object-parts";
import { href, location, navigate } from "../router";
import { runPath } from "../paths";
import { ErrorNote } from "../ui/errors";
import { LivePage } from "../ui/live-page";
import { Facts, Inputs } from "./about";
import { Curves } from "./curves";
import { Differences } from "./differences";
import { Head } from "./head";
import { Log } from "./log";
import { Failed, Now } from "./now";
import { useOthers } from "./others";
import { Outputs } from "./outputs";
import { formatView, parseView, type RunView } from "./state";

interface Shown {
  of: Run;
  view: RunView;
  revision: number;
  reload: () => void;
}

function Content({ of, view, revision, reload }: Shown): JSX.Element {
  const others = useOthers(of, view.compare);
  // What was fetched for the choice before does not belong to this one.
  const beside = view.compare.flatMap((name) => others.data?.filter((one) => one.name === name) ?? []);
  const change = (patch: Partial<RunView>): void =>
    navigate(href(runPath(of), formatView({ ...view, ...patch })), { replace: true });
  return (
    <>
      <Head of={of} changed={reload} />
      <div class="columns">
        <div class="stack">
          <Now of={of} />
          <Failed of={of} />
          <Curves of={of} others={beside} view={view} change={change} />
          {others.error && <ErrorNote problem={others.error} retry={others.reload} />}
          {beside.length > 0 && <Differences of={of} others={beside} />}
          <Log of={of} view={view} change={change} />
          <Outputs of={of} view={view} />
          <History of={of} revision={revision} list={listRunHistory} kind="training run" />
        </div>
        <div class="stack">
          <Inputs of={of} />
          <Facts of={of} />
          <Conditions items={of.conditions} />
        </div>
      </div>
    </>
  );
}

export function RunPage({ namespace, name }: Named): JSX.Element {
  const detail = useQuery(`run ${namespace}/${name}`, (how) => getRun({ namespace, name }, how), { fresh: true });
  const revision = useRevision(changesOf(RUN_KIND, { namespace, name }), detail.reload);
  const { query } = useStore(location);
  const data = detail.data;
  useTitle(name);
  return (
    <LivePage of={{ namespace, name }} detail={detail}>
      {data && <Content of={data} view={parseView(query, name)} revision={revision} reload={detail.reload} />}
    </LivePage>
  );
}
