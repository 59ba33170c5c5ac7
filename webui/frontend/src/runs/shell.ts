// Command lines as people read and copy them. Pure.

/** An argument as a shell would want it, so that a line can be read and copied. */
export function shellWord(word: string): string {
  return /^[A-Za-z0-9_./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}
