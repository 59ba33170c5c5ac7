// The list of data sets while changes arrive: pure, so that it is tested without a browser.
import type { DatasetSummary } from "../api";
import type { Batch } from "./coalesce";

export interface ListFilter {
  namespace: string;
  text: string;
}

/** As the server orders them: by namespace, then name, by code points. */
export function compare(a: DatasetSummary, b: DatasetSummary): number {
  if (a.namespace !== b.namespace) return a.namespace < b.namespace ? -1 : 1;
  return a.name === b.name ? 0 : a.name < b.name ? -1 : 1;
}

/** Whether the server's filter would let it through: a literal part of the name or display name in any case. */
export function matches(row: DatasetSummary, filter: ListFilter): boolean {
  if (filter.namespace && row.namespace !== filter.namespace) return false;
  const text = filter.text.toLowerCase();
  return !text || row.name.toLowerCase().includes(text) || (row.displayName ?? "").toLowerCase().includes(text);
}

function newer(a: DatasetSummary, than: DatasetSummary): boolean {
  return !(Date.parse(a.changedAt) < Date.parse(than.changedAt));
}

/** The rows after a batch of changes: the same array when nothing changed, else a new one; unchanged rows are kept. */
export function applyBatch(
  rows: readonly DatasetSummary[],
  batch: Batch["changes"],
  filter: ListFilter,
): readonly DatasetSummary[] {
  if (batch.size === 0) return rows;
  const result: DatasetSummary[] = [];
  const seen = new Set<string>();
  let changed = false;
  for (const row of rows) {
    const change = batch.get(row.uid);
    if (!change) {
      result.push(row);
      continue;
    }
    seen.add(row.uid);
    const object = change.op === "upsert" ? change.object : null;
    if (object && !newer(object, row)) {
      result.push(row); // fetched after this change was made
    } else {
      changed = true;
      if (object && matches(object, filter)) result.push(object);
    }
  }
  for (const [uid, change] of batch) {
    if (seen.has(uid) || change.op !== "upsert" || !change.object || !matches(change.object, filter)) continue;
    changed = true;
    result.splice(place(result, change.object), 0, change.object);
  }
  return changed ? result : rows;
}

/** Where a row belongs in sorted rows. */
function place(rows: readonly DatasetSummary[], row: DatasetSummary): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(rows[middle] as DatasetSummary, row) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
