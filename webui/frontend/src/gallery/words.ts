// What is said about samples that are in no version yet. Pure.
import type { Working } from "../api-working";
import { count, plural } from "../lib/format";

export function notSealedText(of: Working): string {
  if (of.notSealed > 0) return `${count(of.notSealed)} ${of.notSealed === 1 ? "sample is" : "samples are"} not sealed yet`;
  return of.revision > of.sealedRevision ? "Removals are not sealed yet" : "Nothing is waiting to be sealed";
}

/** What a seal would do. */
export function sealText(of: Working): string {
  const what = plural(of.samples, "sample");
  const since = of.sealedRevision > 0 ? ` ${count(of.notSealed)} of them are new or changed since the last one.` : "";
  return `The next version will hold the ${what} that were added.${since}`;
}
