// The head of a run's page: its name, what can be copied, what can be done to it.
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import type { Run } from "../api-runs";
import { changeRun, deleteRun } from "../endpoints-runs";
import { duration } from "../lib/format";
import { useStore } from "../lib/store";
import { navigate } from "../router";
import { session } from "../session";
import { CopyAs } from "../ui/copy-as";
import { Confirm } from "../ui/dialog";
import { Icon, type IconName } from "../ui/icons";
import { Age } from "../ui/live-table";
import { showToast } from "../ui/toast";
import { asKubectl, asPython, asYaml } from "./snippets";
import { keeper, over } from "./words";

interface Action {
  id: string;
  verb: string;
  icon: IconName;
  done: string;
  danger: boolean;
  says: ComponentChildren;
  act: () => Promise<unknown>;
}

const GRACE = 30; // seconds; Kubernetes's own when the spec names none

function grace(of: Run): number {
  const spec = of.spec;
  const own = spec !== null && typeof spec === "object" && !Array.isArray(spec) && spec.terminationGracePeriodSeconds;
  return typeof own === "number" ? own : GRACE;
}

const lastCheckpoint = (of: Run): string =>
  of.checkpoint
    ? `It goes on from its last checkpoint${of.checkpoint.step === null ? "" : `, step ${of.checkpoint.step}`}.`
    : "No checkpoint was reported yet: unless the program finds one itself, it begins anew.";

/** What can be done to a run in its state. */
function actionsFor(of: Run): Action[] {
  const stops = `Its pods are asked to end (SIGTERM) and have ${duration(grace(of))} to save their work.`;
  const actions: Action[] = [];
  if (!over(of) && !of.suspended)
    actions.push({
      id: "suspend",
      verb: "Suspend",
      icon: "pause",
      done: "Suspending",
      danger: false,
      says: (
        <p>
          {of.state === "running" && `${stops} `}The GPUs become free. Resume it whenever you like. {lastCheckpoint(of)}
        </p>
      ),
      act: () => changeRun(of, { suspend: true }),
    });
  if (!over(of) && of.suspended)
    actions.push({
      id: "resume",
      verb: "Resume",
      icon: "play",
      done: "Resuming",
      danger: false,
      says: <p>The next attempt starts as soon as there is room. {lastCheckpoint(of)}</p>,
      act: () => changeRun(of, { suspend: false }),
    });
  if (!over(of))
    actions.push({
      id: "cancel",
      verb: "Cancel run",
      icon: "stop",
      done: "Cancelling",
      danger: true,
      says: (
        <p>
          {of.state === "running" && `${stops} `}A cancelled run cannot go on; its log, metrics and outputs stay. To
          pause it instead, suspend it.
        </p>
      ),
      act: () => changeRun(of, { cancel: true }),
    });
  actions.push({
    id: "delete",
    verb: "Delete",
    icon: "trash",
    done: "Deleted",
    danger: true,
    says: (
      <p>
        {!over(of) && `It is not over yet. ${stops} `}The TrainingRun goes from the cluster and from this list. Its files
        {of.outputs ? (
          <>
            {" "}
            on the claim <code class="any-break">{of.outputs.claimName}</code> stay
          </>
        ) : (
          " stay"
        )}
        .
      </p>
    ),
    act: () => deleteRun(of),
  });
  return actions;
}

function Actions({ of, changed }: { of: Run; changed: () => void }): JSX.Element {
  const [asked, setAsked] = useState<Action | null>(null);
  const actions = actionsFor(of);
  const act = async (action: Action): Promise<void> => {
    await action.act();
    showToast(action.done);
    if (action.id === "delete") navigate("/runs");
    else changed();
  };
  return (
    <>
      {actions.map((action) => (
        <button
          type="button"
          key={action.id}
          class={`btn${action.danger ? " danger" : ""}`}
          onClick={() => setAsked(action)}
        >
          <Icon name={action.icon} />
          {action.verb}
        </button>
      ))}
      {asked && (
        <Confirm
          title={`${asked.verb}: ${of.name}`}
          verb={asked.verb}
          dismiss="Leave it"
          danger={asked.danger}
          act={() => act(asked)}
          onClose={() => setAsked(null)}
        >
          {asked.says}
        </Confirm>
      )}
    </>
  );
}

export function Head({ of, changed }: { of: Run; changed: () => void }): JSX.Element {
  const role = useStore(session, (state) => (state.kind === "in" ? state.who.role : "viewer"));
  const kept = keeper(of.managedBy);
  return (
    <>
      <div class="page-head">
        <div>
          <div class="tiny soft crumbs">
            <a href="/runs">Training runs</a> / {of.namespace} / {of.name}
          </div>
          <h1 class="any-break">{of.name}</h1>
        </div>
        {of.managedBy && <span class="tag accent">managed by {of.managedBy}</span>}
        <div class="tools push">
          <CopyAs
            yaml={() => asYaml(of)}
            kubectl={() => asKubectl(of)}
            python={() => asPython(of, window.location.origin)}
          />
          {role !== "viewer" && !kept && !of.deletedAt && <Actions of={of} changed={changed} />}
        </div>
      </div>
      {of.deletedAt && (
        <div class="notice warn" role="status">
          <Icon name="alert" />
          <div class="body">
            <strong>Deleted from the cluster</strong>
            <p>
              <Age at={of.deletedAt} /> ago. What is shown here is from before; it is kept for some days.
            </p>
          </div>
        </div>
      )}
      {kept && !of.deletedAt && !over(of) && role !== "viewer" && (
        <p class="soft small">
          {kept} keeps this run as it is in its repository and would undo what is changed here. To pause or end it, set{" "}
          <code>spec.suspend</code> or <code>spec.cancel</code> there.
        </p>
      )}
    </>
  );
}
