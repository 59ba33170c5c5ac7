// The keyboard, explained; opened by "?".
import type { JSX } from "preact";
import { setShortcuts, shortcuts } from "../lib/keys";
import { useStore } from "../lib/store";
import { Dialog } from "./dialog";

const KEYS: readonly { title: string; keys: readonly [string[], string][] }[] = [
  {
    title: "Everywhere",
    keys: [
      [["?"], "This help"],
      [["/"], "To the filter"],
      [["g", "d"], "Data sets"],
      [["g", "g"], "Gallery"],
      [["g", "r"], "Training runs"],
      [["Esc"], "Close, or choose nothing"],
    ],
  },
  {
    title: "Gallery",
    keys: [
      [["←", "→", "↑", "↓"], "Move through samples (also h j k l)"],
      [["Enter"], "Full size"],
      [["n"], "Next page"],
      [["p"], "Previous page"],
    ],
  },
  {
    title: "Full size",
    keys: [
      [["←", "→"], "Sample before, sample after"],
      [["+", "−"], "Zoom (also the wheel)"],
      [["0"], "Fit to window"],
      [["1"], "One pixel for one"],
      [["↑", "↓"], "Slice of a volume (also the wheel)"],
      [["x", "y", "z"], "Sagittal, coronal, axial plane"],
      [["i"], "Details"],
    ],
  },
];

export function Help({ close }: { close: () => void }): JSX.Element {
  const on = useStore(shortcuts);
  return (
    <Dialog title="Keyboard" onClose={close}>
      {KEYS.map((group) => (
        <section key={group.title}>
          <h2>{group.title}</h2>
          <dl class="keys">
            {group.keys.map(([keys, meaning]) => [
              <dt key={`k${meaning}`}>
                {keys.map((key) => (
                  <kbd key={key}>{key}</kbd>
                ))}
              </dt>,
              <dd key={meaning}>{meaning}</dd>,
            ])}
          </dl>
        </section>
      ))}
      <label class="row small">
        <input type="checkbox" checked={on} onChange={(event) => setShortcuts(event.currentTarget.checked)} />
        Single letters are shortcuts
      </label>
    </Dialog>
  );
}
