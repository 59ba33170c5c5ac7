// The drop-down of data sets: finds them by typing, asks the server only while it is open.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { listDatasets } from "../endpoints";
import { count } from "../lib/format";
import { useSettled } from "../lib/hooks";
import { useQuery } from "../lib/query";
import { Combobox, type Choice } from "../ui/combobox";

interface Props {
  namespace: string;
  name: string;
  displayName: string | null;
  choose: (namespace: string, name: string) => void;
}

export function Picker({ namespace, name, displayName, choose }: Props): JSX.Element {
  const [text, setText] = useState("");
  const [used, setUsed] = useState(false);
  const settled = useSettled(text, 150);
  const found = useQuery(used ? `choices ${settled}` : null, (how) => listDatasets({ q: settled, limit: 101 }, how));
  const choices: Choice[] = (found.data?.items ?? []).map((one) => ({
    value: `${one.namespace}/${one.name}`,
    text: one.displayName ? `${one.displayName} (${one.namespace}/${one.name})` : `${one.namespace}/${one.name}`,
    detail: one.samples === null ? one.reason : count(one.samples),
  }));
  return (
    <div onFocusCapture={() => setUsed(true)}>
      <Combobox
        label="Data set"
        placeholder="Choose a data set"
        value={`${namespace}/${name}`}
        shown={name && (displayName || `${namespace}/${name}`)}
        choices={choices}
        loading={found.loading}
        onType={setText}
        onChoose={(value) => {
          const [ns = "", chosen = ""] = value.split("/", 2);
          choose(ns, chosen);
        }}
      />
    </div>
  );
}
