// The versions of a data set: a part of its page.
import type { JSX } from "preact";
import type { Listing, Version } from "../api";
import type { Named } from "../endpoints";
import { count, moment, size, stamp } from "../lib/format";
import type { QueryResult } from "../lib/query";
import { galleryQuery } from "../gallery/state";
import { href } from "../router";
import { CopyButton } from "../ui/copy";
import { Bones, ErrorNote } from "../ui/errors";

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
