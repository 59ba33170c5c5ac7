// Addresses of this application's own pages.

interface Named {
  namespace: string;
  name: string;
}

export function datasetPath(of: Named): string {
  return `/datasets/${encodeURIComponent(of.namespace)}/${encodeURIComponent(of.name)}`;
}

export function runPath(of: Named): string {
  return `/runs/${encodeURIComponent(of.namespace)}/${encodeURIComponent(of.name)}`;
}
