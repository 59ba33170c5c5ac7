// A piece of YAML to begin with, and a button that copies it.
import type { JSX } from "preact";
import { CopyButton } from "./copy";

export function Example({ text }: { text: string }): JSX.Element {
  return (
    <div class="sample-code">
      <pre tabIndex={0} aria-label="Example">
        {text}
      </pre>
      <CopyButton text={text} what="YAML">
        Copy
      </CopyButton>
    </div>
  );
}
