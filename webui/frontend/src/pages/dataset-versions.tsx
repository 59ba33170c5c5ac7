// The versions of a data set: a part of its page.
import type { JSX } from "preact";
import type { Versions as Listed } from "../api";
import type { Working } from "../api-working";
import type { Named } from "../endpoints";
import { count, moment, size, stamp } from "../lib/format";
import type { QueryResult } from "../lib/query";
import { NOT_SEALED, galleryQuery } from "../gallery/state";
import { notSealedText } from "../gallery/words";
import { href } from "../router";
import { CopyButton } from "../ui/copy";
import { Bones, ErrorNote } from "../ui/errors";
import { Seal } from "../ui/seal";

/** What is in none of the versions, where anything was ever added. */
function Unsealed({ of, working }: { of: Named; working: Working }): JSX.Element | null {
  if (!working.accepts && working.samples === 0) return null;
  const address = href("/gallery", galleryQuery(of.namespace, of.name, { version: NOT_SEALED }));
  return (
    <div class="in" data-testid="not-sealed">
      <div class="row">
        {working.notSealed > 0 ? <a href={address}>{notSealedText(working)}</a> : <span>{notSealedText(working)}</span>}
        <span class="push">
          <Seal of={of} working={working} />
        </span>
      </div>
    </div>
  );
}

export function Versions({ of, query }: { of: Named; query: QueryResult<Listed> }): JSX.Element {
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
      {query.data && <Unsealed of={of} working={query.data.working} />}
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
