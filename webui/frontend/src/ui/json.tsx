// JSON as a tree one can fold. Everything is text: Preact escapes it.
import type { JSX } from "preact";
import type { Json } from "../api";

// Beyond this many entries of one object or list, a count is shown: metadata has no limit on its shape.
const MOST = 200;

function Leaf({ value }: { value: null | boolean | number | string }): JSX.Element {
  return <span>{typeof value === "string" ? value || '""' : String(value)}</span>;
}

export function JsonTree({ value, depth = 0 }: { value: Json; depth?: number }): JSX.Element {
  if (value === null || typeof value !== "object") return <Leaf value={value} />;
  const entries = Array.isArray(value) ? value.map((item, i) => [String(i), item] as const) : Object.entries(value);
  return (
    <div class="tree">
      {entries.slice(0, MOST).map(([key, item]) =>
        item !== null && typeof item === "object" ? (
          <details key={key} open={depth < 2}>
            <summary>
              <span class="key">{key}</span>{" "}
              {Array.isArray(item) ? `[${item.length}]` : `{${Object.keys(item).length}}`}
            </summary>
            <JsonTree value={item} depth={depth + 1} />
          </details>
        ) : (
          <div key={key}>
            <span class="key">{key}:</span> <Leaf value={item} />
          </div>
        ),
      )}
      {entries.length > MOST && <div class="key">… and {entries.length - MOST} more</div>}
    </div>
  );
}
