// A field that chooses one of many and finds it by typing (the pattern "combobox with a list").
import type { JSX, TargetedInputEvent } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Icon } from "./icons";

export interface Choice {
  value: string;
  text: string;
  detail?: string;
}

interface Props {
  label: string;
  value: string;
  /** What the field shows while nothing is typed. */
  shown: string;
  choices: readonly Choice[];
  onType: (text: string) => void;
  onChoose: (value: string) => void;
  placeholder?: string;
  loading?: boolean;
}

// More than fit on any screen: whoever looks for another one types.
const MOST = 100;

export function Combobox(props: Props): JSX.Element {
  const [typed, setTyped] = useState<string | null>(null);
  const [at, setAt] = useState(0);
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const open = typed !== null;
  const choices = props.choices.slice(0, MOST);
  const active = Math.min(at, choices.length - 1);

  useEffect(() => {
    list.current?.children[active]?.scrollIntoView({ block: "nearest" });
  }, [active, open]);

  const start = (): void => {
    if (open) return;
    setTyped("");
    props.onType("");
    setAt(
      Math.max(
        0,
        props.choices.findIndex((choice) => choice.value === props.value),
      ),
    );
    input.current?.select();
  };
  const stop = (): void => {
    setTyped(null);
    props.onType("");
  };
  const choose = (choice: Choice | undefined): void => {
    stop();
    if (choice && choice.value !== props.value) props.onChoose(choice.value);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!open) start();
      else setAt((active + (event.key === "ArrowDown" ? 1 : -1) + choices.length) % Math.max(1, choices.length));
    } else if (event.key === "Enter" && open) choose(choices[active]);
    else if (event.key === "Escape" && open) stop();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const onInput = (event: TargetedInputEvent<HTMLInputElement>): void => {
    setTyped(event.currentTarget.value);
    props.onType(event.currentTarget.value);
    setAt(0);
  };
  return (
    <div class="combo">
      <input
        ref={input}
        class="input"
        role="combobox"
        aria-label={props.label}
        aria-expanded={open}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        autocomplete="off"
        spellcheck={false}
        aria-activedescendant={open && choices.length ? `${id}-${active}` : undefined}
        placeholder={typed === "" ? props.shown || props.placeholder : props.placeholder}
        value={typed ?? props.shown}
        onFocus={start}
        onClick={start}
        onBlur={stop}
        onInput={onInput}
        onKeyDown={onKeyDown}
      />
      <Icon name="down" />
      <ul ref={list} id={`${id}-list`} role="listbox" aria-label={props.label} hidden={!open}>
        {choices.map((choice, i) => (
          // mousedown, not click: the field must not lose the focus first.
          <li
            key={choice.value}
            id={`${id}-${i}`}
            role="option"
            aria-selected={choice.value === props.value}
            class={i === active ? "active" : undefined}
            onMouseDown={(event) => {
              event.preventDefault();
              choose(choice);
              input.current?.blur();
            }}
          >
            <span class="cut">{choice.text}</span>
            {choice.detail && <span class="tiny soft push">{choice.detail}</span>}
          </li>
        ))}
        {choices.length === 0 && (
          <li class="soft" role="option" aria-disabled="true" aria-selected={false}>
            {props.loading ? "Loading…" : "Nothing matches"}
          </li>
        )}
        {props.choices.length > MOST && (
          <li class="soft tiny" role="option" aria-disabled="true" aria-selected={false}>
            Type to find others
          </li>
        )}
      </ul>
    </div>
  );
}
