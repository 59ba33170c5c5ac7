// The frame of one object's page: what is shown while it is fetched, when that fails, and what is read out.
import type { ComponentChildren, JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { Named } from "../endpoints";
import type { QueryResult } from "../lib/query";
import { Bones, ErrorNote, WaitingNote } from "./errors";
import { announce } from "./toast";

interface Props {
  of: Named;
  detail: QueryResult<{ reason: string }>;
  children: ComponentChildren;
}

export function LivePage({ of, detail, children }: Props): JSX.Element {
  const word = detail.data?.reason;
  useEffect(() => {
    if (word) announce(`Status: ${word}`);
  }, [word]);
  return (
    <div class="page">
      {detail.error && !detail.data && (
        <div class="page-head">
          <h1 class="any-break">
            {of.namespace}/{of.name}
          </h1>
        </div>
      )}
      {detail.error && <ErrorNote problem={detail.error} retry={detail.reload} />}
      {detail.waiting && <WaitingNote waiting={detail.waiting} what="It" />}
      {!detail.data && !detail.error && (
        <div class="card">
          <div class="in">
            <Bones lines={8} />
          </div>
        </div>
      )}
      {children}
    </div>
  );
}
