// Draws one chart with uPlot. Loaded when the first chart is shown (runs/chart.tsx): lists and galleries do without it.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface PlotLook {
  text: string;
  grid: string;
  font: string;
  /** One colour for each line. */
  lines: readonly string[];
}

export interface PlotOptions {
  width: number;
  height: number;
  /** A logarithmic scale for values. */
  log: boolean;
  look: PlotLook;
  xText: (x: number) => string;
  yText: (y: number) => string;
  /** Charts with the same key show the same moment. */
  sync: string;
  /** Told where the pointer is: an index into x, null when it has left. */
  onPoint: (at: number | null) => void;
}

export type Columns = [number[], ...(number | null | undefined)[][]];

export interface Plot {
  setData: (columns: Columns) => void;
  setWidth: (width: number) => void;
  destroy: () => void;
}

// Lines are told apart by colour and by dashes.
const DASHES: readonly number[][] = [[], [7, 4], [2, 3], [10, 3, 2, 3], [4, 2], [12, 5]];

function axes(options: PlotOptions): uPlot.Axis[] {
  const { look } = options;
  const common: uPlot.Axis = {
    stroke: look.text,
    font: look.font,
    grid: { stroke: look.grid, width: 1 },
    ticks: { show: false },
  };
  return [
    { ...common, size: 30, values: (_, splits) => splits.map(options.xText) },
    {
      ...common,
      size: 58,
      // A logarithmic scale has more lines than words fit: those that uPlot leaves out are null.
      values: (_, splits) => splits.map((value) => (value === null ? "" : options.yText(value))),
    },
  ];
}

export function draw(into: HTMLElement, options: PlotOptions, columns: Columns): Plot {
  // What a person has zoomed into stays while points arrive.
  let zoomed = false;
  const plot = new uPlot(
    {
      width: options.width,
      height: options.height,
      legend: { show: false },
      scales: { x: { time: false }, y: { distr: options.log ? 3 : 1 } },
      axes: axes(options),
      series: [
        {},
        ...options.look.lines.map((stroke, i) => ({
          stroke,
          width: 1.75,
          dash: DASHES[i % DASHES.length] as number[],
          points: { size: 5, stroke, fill: stroke },
        })),
      ],
      cursor: {
        sync: { key: options.sync, setSeries: false },
        drag: { x: true, y: false },
        points: { size: 7 },
        bind: {
          dblclick: (_, __, handler) => (event) => {
            zoomed = false;
            return handler(event);
          },
        },
      },
      hooks: {
        setCursor: [(self) => options.onPoint(self.cursor.idx ?? null)],
        setSelect: [(self) => (zoomed = zoomed || self.select.width > 0)],
      },
    },
    columns as uPlot.AlignedData,
    into,
  );
  return {
    setData: (next) => {
      const { min, max } = plot.scales.x as uPlot.Scale;
      plot.batch(() => {
        plot.setData(next as uPlot.AlignedData);
        if (zoomed && min != null && max != null) plot.setScale("x", { min, max });
      });
    },
    setWidth: (width) => plot.setSize({ width, height: options.height }),
    destroy: () => plot.destroy(),
  };
}
