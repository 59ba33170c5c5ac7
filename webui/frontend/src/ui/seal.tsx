// The button that asks for a new version of what was added to a data set.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Working } from "../api-working";
import type { Named } from "../endpoints";
import { requestSeal } from "../endpoints-working";
import { sealText } from "../gallery/words";
import { useStore } from "../lib/store";
import { session } from "../session";
import { Confirm } from "./dialog";
import { Icon } from "./icons";
import { showToast } from "./toast";

/** Nothing where there is nothing to seal, or for who may only look. */
export function Seal({ of, working }: { of: Named; working: Working }): JSX.Element | null {
  const role = useStore(session, (state) => (state.kind === "in" ? state.who.role : "viewer"));
  const [asked, setAsked] = useState(false);
  if (role === "viewer" || working.revision <= working.sealedRevision) return null;
  const seal = async (): Promise<void> => {
    await requestSeal(of);
    showToast("Sealing");
  };
  return (
    <>
      <button type="button" class="btn slim primary" onClick={() => setAsked(true)}>
        <Icon name="check" />
        Seal
      </button>
      {asked && (
        <Confirm
          title={`Seal: ${of.name}`}
          verb="Seal"
          dismiss="Not now"
          danger={false}
          act={seal}
          onClose={() => setAsked(false)}
        >
          <p>{sealText(working)} A version never changes; versions that are there stay as they are.</p>
        </Confirm>
      )}
    </>
  );
}
