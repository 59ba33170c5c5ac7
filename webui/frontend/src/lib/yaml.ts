// Writes YAML for people to copy: block style, strings quoted whenever plain ones could be read as anything else.
import type { Json } from "../api";

const PLAIN = /^[A-Za-z_/][A-Za-z0-9_./+-]*( [A-Za-z0-9_./+()-]+)*$/;
const RESERVED = /^(true|false|yes|no|on|off|null|y|n|~|inf|nan)$/i;

function scalar(value: null | boolean | number | string): string {
  if (typeof value !== "string") return String(value);
  return PLAIN.test(value) && !RESERVED.test(value) ? value : JSON.stringify(value);
}

function isEmpty(value: Json): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function block(text: string, indent: string): string {
  const body = text
    .replace(/\n$/, "")
    .split("\n")
    .map((line) => (line ? `${indent}${line}` : ""));
  return `|${text.endsWith("\n") ? "" : "-"}\n${body.join("\n")}`;
}

/** A text that a literal block keeps exactly. */
function fitsBlock(text: string): boolean {
  return (
    text.includes("\n") &&
    !/^[\s]|\n\n$|[^\n\x20-\x7e\u00a0-\ud7ff\ue000-\ufefe]/.test(text) &&
    !/\s\n/.test(text.replace(/\n\n/g, "\n"))
  );
}

function lines(value: Json, indent: string): string[] {
  if (Array.isArray(value)) {
    return value.flatMap((item) => {
      if (typeof item !== "object" || item === null || isEmpty(item)) return [`${indent}- ${inline(item, indent)}`];
      const inner = lines(item, `${indent}  `);
      return [`${indent}- ${(inner[0] as string).trimStart()}`, ...inner.slice(1)];
    });
  }
  return Object.entries(value as { [key: string]: Json }).flatMap(([key, item]) => {
    const head = `${indent}${scalar(key)}:`;
    if (typeof item !== "object" || item === null || isEmpty(item)) return [`${head} ${inline(item, indent)}`];
    return [head, ...lines(item, Array.isArray(item) ? indent : `${indent}  `)];
  });
}

function inline(value: Json, indent: string): string {
  if (Array.isArray(value)) return "[]";
  if (typeof value === "object" && value !== null) return "{}";
  if (typeof value === "string" && fitsBlock(value)) return block(value, `${indent}  `);
  return scalar(value);
}

/** YAML text that ends in a newline. */
export function toYaml(value: { [key: string]: Json }): string {
  return `${lines(value, "").join("\n")}\n`;
}
