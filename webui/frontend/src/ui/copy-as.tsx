// The menu by which an object's page gives itself away: as YAML, as commands, as Python.
import type { JSX } from "preact";
import { copyText } from "./copy";
import { Icon } from "./icons";
import { Menu } from "./menu";

interface Props {
  yaml: () => string;
  kubectl: () => string;
  python: () => string;
}

export function CopyAs({ yaml, kubectl, python }: Props): JSX.Element {
  const texts = [
    { name: "YAML", what: "YAML", text: yaml },
    { name: "kubectl", what: "kubectl commands", text: kubectl },
    { name: "Python", what: "Python", text: python },
  ];
  return (
    <Menu
      label="Copy as"
      button={
        <>
          <Icon name="copy" />
          Copy as
          <Icon name="down" />
        </>
      }
    >
      {texts.map(({ name, what, text }) => (
        <button type="button" key={name} onClick={() => void copyText(text(), what)}>
          {name}
        </button>
      ))}
    </Menu>
  );
}
