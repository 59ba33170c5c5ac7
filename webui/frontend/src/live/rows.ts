// A list of objects while changes arrive: pure, so that it is tested without a browser. What differs between data
// sets and training runs stands in a ListKind (live/kinds.ts).
import type { ChangeEvent } from "../api";
import type { Batch } from "./coalesce";

/** What every row of a list has. */
export interface Listed {
  uid: string;
  changedAt: string;
}

/** One kind of object: which changes are its own, how the server orders its list and what its filter lets through. */
export interface ListKind<Row extends Listed, Filter> {
  kind: string;
  compare: (a: Row, b: Row) => number;
  matches: (row: Row, filter: Filter) => boolean;
}

/** The object of a change of this kind; null when it was deleted. */
function objectOf<Row extends Listed>(change: ChangeEvent): Row | null {
  return change.op === "upsert" ? (change.object as Row | null) : null;
}

function newer(a: Listed, than: Listed): boolean {
  return !(Date.parse(a.changedAt) < Date.parse(than.changedAt));
}

/** The rows after a batch of changes: the same array when nothing changed, else a new one; unchanged rows are kept. */
export function applyBatch<Row extends Listed, Filter>(
  rows: readonly Row[],
  batch: Batch["changes"],
  { kind, compare, matches }: ListKind<Row, Filter>,
  filter: Filter,
): readonly Row[] {
  if (batch.size === 0) return rows;
  const result: Row[] = [];
  const seen = new Set<string>();
  let changed = false;
  for (const row of rows) {
    const change = batch.get(row.uid);
    if (!change || change.kind !== kind) {
      result.push(row);
      continue;
    }
    seen.add(row.uid);
    const object = objectOf<Row>(change);
    if (object && !newer(object, row)) {
      result.push(row); // fetched after this change was made
    } else {
      changed = true;
      if (object && matches(object, filter)) result.push(object);
    }
  }
  for (const [uid, change] of batch) {
    if (seen.has(uid) || change.kind !== kind) continue;
    const object = objectOf<Row>(change);
    if (!object || !matches(object, filter)) continue;
    changed = true;
    result.splice(place(result, object, compare), 0, object);
  }
  return changed ? result : rows;
}

/** Where a row belongs in sorted rows. */
function place<Row>(rows: readonly Row[], row: Row, compare: (a: Row, b: Row) => number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(rows[middle] as Row, row) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether a literal part, in any case, is in one of the texts; the empty text is in everything. */
export function contains(text: string, ...within: (string | null)[]): boolean {
  const wanted = text.toLowerCase();
  return !wanted || within.some((one) => one !== null && one.toLowerCase().includes(wanted));
}
