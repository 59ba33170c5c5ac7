// Arithmetic of pages over a list of which only `total` and a position are known. Pages count from 1.

export const SIZES = [50, 100, 200] as const;
export const DEFAULT_SIZE = 100;

export function pageCount(total: number, size: number): number {
  return Math.max(1, Math.ceil(total / size));
}

/** The page that shows the sample at `position`; a position between page starts belongs to the page it lies in. */
export function pageAt(position: number, size: number): number {
  return Math.floor(Math.max(0, position) / size) + 1;
}

/** Where a page starts; pages that are not there become the nearest that is. */
export function pageStart(page: number, total: number, size: number): number {
  const wanted = Number.isFinite(page) ? Math.trunc(page) : 1;
  return (Math.min(Math.max(1, wanted), pageCount(total, size)) - 1) * size;
}

/** A page number as a person types it ("12", " 1,200 "); null when it is none. */
export function parsePage(text: string): number | null {
  const digits = text.replace(/[\s,]/g, "");
  return /^\d{1,9}$/.test(digits) ? Number(digits) : null;
}

/** Start of the page before or after; null at either end. */
export function pageStep(position: number, total: number, size: number, step: -1 | 1): number | null {
  const start = position + step * size;
  if (step > 0) return start < total ? start : null;
  return position > 0 ? Math.max(0, start) : null;
}

/** The row expression of a contact sheet: [0,1,2,7,9,10] → "0-2,7,9-10". The order is kept. */
export function rowRanges(rows: readonly number[]): string {
  const parts: string[] = [];
  let at = 0;
  while (at < rows.length) {
    const first = rows[at] as number;
    let end = at;
    while (end + 1 < rows.length && rows[end + 1] === (rows[end] as number) + 1) end += 1;
    parts.push(end > at ? `${first}-${rows[end]}` : String(first));
    at = end + 1;
  }
  return parts.join(",");
}

/** How many cells of `cell` pixels fit beside each other. */
export function columnsThatFit(width: number, cell: number, gap: number): number {
  return Math.max(1, Math.floor((width + gap) / (cell + gap)));
}
