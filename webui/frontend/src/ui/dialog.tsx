// Modal dialogs on the browser's own <dialog>: it keeps the focus inside, hides the rest and closes with Escape.
import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { useKeys, type KeyMap } from "../lib/keys";
import { Icon } from "./icons";
import { Problem, asProblem } from "../client";
import { ErrorNote } from "./errors";

interface ModalProps {
  label: string;
  class: string;
  onClose: () => void;
  keys?: KeyMap;
  children: ComponentChildren;
}

/** An open modal dialog without any decoration. */
export function Modal(props: ModalProps): JSX.Element {
  const ref = useRef<HTMLDialogElement>(null);
  useKeys({ Escape: props.onClose, ...props.keys }, true);
  useLayoutEffect(() => {
    const opener = document.activeElement as HTMLElement | null;
    const dialog = ref.current;
    dialog?.showModal();
    // Otherwise browsers choose the first button, which is the one that closes.
    (dialog?.querySelector<HTMLElement>("[autofocus]") ?? dialog)?.focus();
    return () => {
      dialog?.close();
      if (opener?.isConnected) opener.focus({ preventScroll: true });
    };
  }, []);
  const cancel = (event: Event): void => {
    event.preventDefault(); // the parent decides; it removes the dialog
    props.onClose();
  };
  const outside = (event: MouseEvent): void => {
    if (event.target === ref.current) props.onClose();
  };
  return (
    <dialog
      ref={ref}
      tabIndex={-1}
      class={props.class}
      aria-label={props.label}
      onCancel={cancel}
      onMouseDown={outside}
    >
      {props.children}
    </dialog>
  );
}

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}

export function Dialog({ title, onClose, children }: DialogProps): JSX.Element {
  return (
    <Modal label={title} class="dialog" onClose={onClose}>
      <header>
        <h2>{title}</h2>
        <button type="button" class="btn slim icon ghost push" aria-label="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <div class="content">{children}</div>
    </Modal>
  );
}

interface ConfirmProps {
  title: string;
  verb: string;
  /** What the button that does nothing is called. */
  dismiss?: string;
  /** Whether something is lost by it. */
  danger?: boolean;
  children: ComponentChildren;
  act: () => Promise<void>;
  onClose: () => void;
}

/** Asks before something is done that others notice or that cannot be undone. */
export function Confirm(props: ConfirmProps): JSX.Element {
  const { title, verb, dismiss = "Cancel", danger = true, children, act, onClose } = props;
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const go = (): void => {
    setBusy(true);
    act().then(onClose, (error: unknown) => {
      setBusy(false);
      setProblem(asProblem(error));
    });
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <div>{children}</div>
      {problem && <ErrorNote problem={problem} />}
      <div class="actions">
        <button type="button" class="btn" onClick={onClose} autofocus>
          {dismiss}
        </button>
        <button type="button" class={`btn ${danger ? "danger" : "primary"}`} onClick={go} disabled={busy}>
          {verb}
        </button>
      </div>
    </Dialog>
  );
}
