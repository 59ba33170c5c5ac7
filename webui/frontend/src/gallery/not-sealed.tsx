// Above the samples that are not sealed yet: how many they are, and the way to a version that holds them.
import type { JSX } from "preact";
import { href } from "../router";
import { Icon } from "../ui/icons";
import { Seal } from "../ui/seal";
import { Status } from "../ui/status";
import type { Chosen } from "./data";
import { galleryQuery, type GalleryState } from "./state";
import { notSealedText } from "./words";

export function NotSealed({ chosen, state }: { chosen: Chosen; state: GalleryState }): JSX.Element | null {
  const { working, detail, versions } = chosen;
  if (!working) return null;
  const of = { namespace: state.namespace, name: state.name };
  const sealed = working.revision <= working.sealedRevision;
  const newest = versions.data?.items[0];
  return (
    <div class="notice busy" role="status" data-testid="not-sealed">
      <Icon name="info" />
      <div class="body">
        <strong>{notSealedText(working)}</strong>
        <p>
          {working.samples === 0 && "Samples appear here as they are added."}
          {working.samples > 0 && sealed && "All samples that were added are in a version."}
          {!sealed && working.notSealed > 0 && "Runs use them once they are sealed into a version."}
          {!sealed && working.notSealed === 0 && "The next version will be without what was removed."}{" "}
          {sealed && newest && (
            <a href={href("/gallery", galleryQuery(of.namespace, of.name))} onClick={chosen.advance}>
              Show the version
            </a>
          )}
        </p>
        {detail.data?.reconciling && <Status of={detail.data} />}
      </div>
      <Seal of={of} working={working} />
    </div>
  );
}
