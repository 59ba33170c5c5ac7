// Pages whose code is fetched when they are first shown.
import type { FunctionComponent, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Problem } from "../client";
import { Bones, ErrorNote } from "../ui/errors";

// After an update of the web process the old files are gone: the new page knows the new ones.
const GONE = new Problem(
  0,
  "client",
  "This page could not be loaded",
  "The connection failed, or Blueno was updated since you opened it. Reload to get the newest.",
);

/** The component that `load` brings; loaded once for all its uses. */
export function lazy<P extends object>(load: () => Promise<FunctionComponent<P>>): FunctionComponent<P> {
  let loaded: FunctionComponent<P> | null = null;
  return function Lazy(props: P): JSX.Element {
    const [failed, setFailed] = useState(false);
    const [, rerender] = useState(0);
    useEffect(() => {
      if (loaded) return;
      load().then(
        (component) => {
          loaded = component;
          rerender((n) => n + 1);
        },
        () => setFailed(true),
      );
    }, []);
    const Loaded = loaded;
    if (Loaded) return <Loaded {...props} />;
    return (
      <div class="page">
        {failed ? <ErrorNote problem={GONE} retry={() => window.location.reload()} /> : <Bones lines={8} />}
      </div>
    );
  };
}
