// Copying to the clipboard, also where browsers offer it to no one (plain http).
import type { ComponentChildren, JSX } from "preact";
import { Icon } from "./icons";
import { showToast } from "./toast";

async function write(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "hidden-text";
    const host = document.querySelector("dialog[open]") ?? document.body;
    const focused = document.activeElement as HTMLElement | null;
    host.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    focused?.focus();
    return done;
  }
}

export async function copyText(text: string, what: string): Promise<void> {
  showToast((await write(text)) ? `${what} copied` : `${what} could not be copied: select it and use the keyboard`);
}

interface Props {
  text: string | (() => string);
  what: string;
  children?: ComponentChildren;
}

/** A button that copies; without children an icon. */
export function CopyButton({ text, what, children }: Props): JSX.Element {
  const copy = (): void => void copyText(typeof text === "string" ? text : text(), what);
  return (
    <button
      type="button"
      class={`btn slim${children ? "" : " icon ghost"}`}
      onClick={copy}
      aria-label={`Copy ${what}`}
      title={`Copy ${what}`}
    >
      <Icon name="copy" />
      {children}
    </button>
  );
}
