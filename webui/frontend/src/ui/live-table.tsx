// What the live lists of data sets and training runs share: rows that render only when they change, the filters'
// fields, words read out.
import { Component, type ComponentType, type JSX, type RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { useAge } from "../lib/hooks";
import { Icon } from "./icons";
import { announce } from "./toast";

export function Age({ at }: { at: string }): JSX.Element {
  const { text, title } = useAge(at);
  return (
    <time dateTime={at} title={title}>
      {text}
    </time>
  );
}

interface Identified {
  uid: string;
}

interface RowsProps<Row extends Identified> {
  rows: readonly Row[];
  row: ComponentType<{ of: Row }>;
}

/** Some rows of a table: rendered again only when one of them is another one. A change then costs its fifty
 * neighbours, not two thousand. */
class Chunk<Row extends Identified> extends Component<RowsProps<Row>> {
  override shouldComponentUpdate(next: RowsProps<Row>): boolean {
    const now = this.props.rows;
    return now.length !== next.rows.length || now.some((row, i) => row !== next.rows[i]);
  }

  override render(): JSX.Element {
    const One = this.props.row;
    return (
      <tbody role="rowgroup">
        {this.props.rows.map((row) => (
          <One key={row.uid} of={row} />
        ))}
      </tbody>
    );
  }
}

const CHUNK = 50;

/** The bodies of a live table; `row` is a component that is the same at every render. */
export function Rows<Row extends Identified>({ rows, row }: RowsProps<Row>): JSX.Element {
  const chunks = Math.ceil(rows.length / CHUNK);
  return (
    <>
      {Array.from({ length: chunks }, (_, i) => (
        <Chunk key={i} rows={rows.slice(i * CHUNK, (i + 1) * CHUNK)} row={row as never} />
      ))}
    </>
  );
}

/** The heads of a live table: roles are written out because its rows are grids. */
export function Heads({ names }: { names: readonly { name: string; look?: string; hidden?: boolean }[] }): JSX.Element {
  return (
    <thead role="rowgroup">
      <tr role="row">
        {names.map(({ name, look, hidden }) => (
          <th key={name} class={look} role="columnheader" scope="col">
            {hidden ? <span class="hidden-text">{name}</span> : name}
          </th>
        ))}
      </tr>
    </thead>
  );
}

interface FindProps {
  field: RefObject<HTMLInputElement | null>;
  label: string;
  value: string;
  set: (value: string) => void;
}

export function Find({ field, label, value, set }: FindProps): JSX.Element {
  return (
    <div class="find">
      <Icon name="search" />
      <input
        ref={field}
        class="input"
        type="search"
        aria-label={label}
        placeholder="Filter by name"
        value={value}
        onInput={(event) => set(event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
      />
      <kbd aria-hidden="true">/</kbd>
    </div>
  );
}

interface ChooseProps {
  label: string;
  /** What the choice of nothing is called. */
  all: string;
  value: string;
  set: (value: string) => void;
  choices: readonly { value: string; text: string }[];
}

/** A filter that is one of few. */
export function Choose({ label, all, value, set, choices }: ChooseProps): JSX.Element {
  return (
    <select
      class="input choose"
      aria-label={label}
      value={value}
      onChange={(event) => set(event.currentTarget.value)}
    >
      <option value="">{all}</option>
      {choices.map((one) => (
        <option key={one.value} value={one.value}>
          {one.text}
        </option>
      ))}
    </select>
  );
}

/** Every value seen so far, sorted: a filter keeps offering what it filters away. */
export function useSeen(values: Iterable<string>, chosen: string): { value: string; text: string }[] {
  const seen = useRef(new Set<string>());
  for (const value of values) seen.current.add(value);
  if (chosen) seen.current.add(chosen);
  return [...seen.current].sort().map((value) => ({ value, text: value }));
}

/** Reads out what a listener would want to know: other words, not each percent. */
export function useAnnouncements<Row extends Identified & { reason: string }>(
  rows: readonly Row[] | null,
  title: (row: Row) => string,
): void {
  const before = useRef<Map<string, string> | null>(null);
  useEffect(() => {
    if (!rows) return;
    const now = new Map(rows.map((row) => [row.uid, row.reason]));
    for (const row of before.current ? rows : []) {
      const old = before.current?.get(row.uid);
      if (old !== undefined && old !== row.reason) announce(`${title(row)}: ${row.reason}`);
    }
    before.current = now;
  }, [rows]);
}
