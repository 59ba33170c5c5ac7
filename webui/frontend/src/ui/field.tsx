// A labelled text field with help below it.
import type { JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

interface Props {
  label: string;
  name: string;
  type?: "text" | "email" | "password";
  value?: string;
  help?: string;
  required?: boolean;
  autofocus?: boolean;
  autocomplete?: string;
  minLength?: number;
  mono?: boolean;
}

export function Field({ label, help, autofocus, mono, value, ...rest }: Props): JSX.Element {
  const id = useId();
  const ref = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (autofocus) ref.current?.focus();
  }, []);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        ref={ref}
        id={id}
        class={`input${mono ? " mono" : ""}`}
        defaultValue={value ?? ""}
        spellcheck={false}
        autocapitalize="none"
        autofocus={autofocus ?? false}
        aria-describedby={help ? `${id}-help` : undefined}
        {...(rest as { name: string; type?: "text" })}
      />
      {help && (
        <span class="help any-break" id={`${id}-help`}>
          {help}
        </span>
      )}
    </div>
  );
}
