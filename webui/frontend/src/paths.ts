// Addresses of this application's own pages.

export function datasetPath(of: { namespace: string; name: string }): string {
  return `/datasets/${encodeURIComponent(of.namespace)}/${encodeURIComponent(of.name)}`;
}
