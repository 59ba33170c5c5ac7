// A page of samples: a grid of cells whose pictures are cut out of one contact sheet.
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Sample } from "../api";
import { useWidth } from "../lib/hooks";
import { memo } from "../lib/memo";
import { columnsThatFit } from "../lib/paging";
import { usePicture, type Picture } from "../lib/picture";
import { ErrorNote, WaitingNote } from "../ui/errors";
import type { Shelf, Shown } from "./shelf";
import type { Window } from "./state";

const GAP = 8;
const SHEET_COLUMNS = 10;
// Few sizes, so that the same sheet serves windows of different widths from the cache.
const SHEET_CELLS = [64, 96, 128, 192, 256];

/** How large a cell the server shall draw for one that is `shown` CSS pixels wide. */
export function sheetCell(shown: number, ratio: number): number {
  return SHEET_CELLS.find((cell) => cell >= shown * ratio * 0.9) ?? 256;
}

/** Where in the sheet a sample's picture lies, in the percentages CSS wants: it stays right at every size. */
export function spritePlace(index: number, samples: number): { size: string; position: string } {
  const columns = Math.min(SHEET_COLUMNS, samples);
  const rows = Math.ceil(samples / SHEET_COLUMNS);
  const at = (i: number, of: number): string => (of > 1 ? `${(i / (of - 1)) * 100}%` : "0%");
  return {
    size: `${columns * 100}% ${rows * 100}%`,
    position: `${at(index % SHEET_COLUMNS, columns)} ${at(Math.floor(index / SHEET_COLUMNS), rows)}`,
  };
}

/** What a sample is called in a line of text. */
export function sampleName(of: Sample): string {
  return of.label === null ? `${of.key}, no label` : `${of.key}, label ${of.labelText}`;
}

interface CellProps {
  sample: Sample;
  index: number;
  samples: number;
  url: string | null;
  pixelated: boolean;
  selected: boolean;
  reachable: boolean;
  choose: (row: number) => void;
  expand: (row: number) => void;
}

const Cell = memo(function Cell(p: CellProps): JSX.Element {
  const { size, position } = spritePlace(p.index, p.samples);
  return (
    <div
      role="gridcell"
      aria-selected={p.selected}
      tabIndex={p.reachable ? 0 : -1}
      class="cell"
      data-row={p.sample.row}
      title={p.sample.key}
      aria-label={sampleName(p.sample)}
      onClick={() => (p.selected ? p.expand(p.sample.row) : p.choose(p.sample.row))}
    >
      <div
        class={`thumb${p.url ? "" : " bone"}${p.pixelated ? " pixelated" : ""}`}
        style={
          p.url
            ? { backgroundImage: `url("${p.url}")`, backgroundSize: size, backgroundPosition: position }
            : { backgroundImage: "", backgroundSize: "", backgroundPosition: "" }
        }
      />
      <div class="caption cut">{p.sample.label === null ? "–" : p.sample.labelText}</div>
    </div>
  );
});

interface Props {
  shelf: Shelf;
  items: readonly Shown[];
  selected: number | null;
  window: Window | null;
  outdated: boolean;
  choose: (row: number) => void;
  expand: (row: number) => void;
  onColumns: (columns: number) => void;
}

/** A picture whose cells are smaller than they are shown: its pixels shall be seen as they are. */
function isTiny(picture: Picture | null, columns: number, shown: number): boolean {
  return picture !== null && (picture.width / columns) * 1.5 <= shown * window.devicePixelRatio;
}

export function Grid(p: Props): JSX.Element {
  const ref = useRef<HTMLDivElement>(null);
  const width = useWidth(ref);
  const wanted = width < 500 ? 80 : 92;
  const columns = columnsThatFit(width, wanted, GAP);
  const cell = width ? Math.floor((width - GAP * (columns - 1)) / columns) : wanted;
  const samples = p.items.length;
  const source =
    width && samples
      ? p.shelf.sheet(p.items, {
          cell: sheetCell(cell, window.devicePixelRatio),
          columns: Math.min(SHEET_COLUMNS, samples),
          low: p.window?.low,
          high: p.window?.high,
        })
      : null;
  const sheet = usePicture(source);
  const ready = sheet.picture?.source === source ? sheet.picture : null;
  const pixelated = isTiny(ready, Math.min(SHEET_COLUMNS, samples), cell);
  useEffect(() => p.onColumns(columns), [columns]);
  const selectedHere = p.items.some((one) => one.row === p.selected);

  const lines: Sample[][] = [];
  for (let i = 0; i < samples; i += columns) lines.push(p.items.slice(i, i + columns) as Sample[]);
  return (
    <div>
      {sheet.waiting && <WaitingNote waiting={sheet.waiting} what="Pictures" />}
      {sheet.error && <ErrorNote problem={sheet.error} retry={sheet.retry} />}
      <div
        ref={ref}
        role="grid"
        aria-label="Samples"
        aria-rowcount={lines.length}
        aria-colcount={columns}
        aria-busy={p.outdated || (source !== null && !ready && !sheet.error)}
        class={p.outdated ? "grid fading" : "grid"}
        style={{ gridTemplateColumns: `repeat(${columns}, ${cell}px)` }}
        data-sheet={ready ? "ready" : "loading"}
      >
        {lines.map((line, number) => (
          <div key={number} role="row" class="line">
            {line.map((sample, i) => (
              <Cell
                key={sample.row}
                sample={sample}
                index={number * columns + i}
                samples={samples}
                url={ready?.url ?? null}
                pixelated={pixelated}
                selected={sample.row === p.selected}
                reachable={selectedHere ? sample.row === p.selected : number === 0 && i === 0}
                choose={p.choose}
                expand={p.expand}
              />
            ))}
          </div>
        ))}
      </div>
    </div>
  );
}
