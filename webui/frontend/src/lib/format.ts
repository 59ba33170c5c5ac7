// Numbers, sizes and times for people; the same words as kubectl and controllers/dataset/words.py use.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** Bytes with binary units: 54525952 → "52 MiB". */
export function size(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value >= 10 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** Seconds, at most two units: 130 → "2m10s". */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) {
    const rest = whole % 60;
    const minutes = Math.floor(whole / 60);
    return rest && minutes < 10 ? `${minutes}m${rest}s` : `${minutes}m`;
  }
  const hours = Math.floor(whole / 3600);
  const rest = Math.floor(whole / 60) % 60;
  if (hours < 24) return rest ? `${hours}h${rest}m` : `${hours}h`;
  return `${hours}h`;
}

/** How long ago, in kubectl's AGE notation: "57s", "4m10s", "3h", "12d", "2y". */
export function age(at: string, now: number): string {
  const then = Date.parse(at);
  if (Number.isNaN(then)) return "";
  const seconds = Math.max(0, Math.floor((now - then) / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (seconds < 120) return `${seconds}s`;
  if (minutes < 10) return seconds % 60 ? `${minutes}m${seconds % 60}s` : `${minutes}m`;
  if (minutes < 180) return `${minutes}m`;
  if (hours < 8) return minutes % 60 ? `${hours}h${minutes % 60}m` : `${hours}h`;
  if (hours < 48) return `${hours}h`;
  if (days < 8) return hours % 24 ? `${days}d${hours % 24}h` : `${days}d`;
  if (days < 730) return `${days}d`;
  const years = Math.floor(days / 365);
  return years < 8 && days % 365 ? `${years}y${days % 365}d` : `${years}y`;
}

/** How often an age of this many milliseconds changes what it shows, in milliseconds. */
export function ageStep(elapsed: number): number {
  if (elapsed < 600_000) return 1000;
  return elapsed < 8 * 3_600_000 ? 60_000 : 600_000;
}

const grouped = new Intl.NumberFormat("en", { useGrouping: true, maximumFractionDigits: 0 });

/** 70000 → "70,000". */
export function count(value: number): string {
  return grouped.format(value);
}

/** "1 sample", "2 samples". */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** A share for people: 0.004 → "<1%", 1 → "100%"; only everything is 100%. */
export function percent(part: number, whole: number): string {
  if (whole <= 0 || part <= 0) return "0%";
  const value = (part / whole) * 100;
  if (value < 1) return "<1%";
  return `${value >= 99.5 && part < whole ? 99 : Math.round(value)}%`;
}

/** A measured intensity with about four significant digits. */
export function intensity(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  const text = value.toPrecision(4);
  return text.includes("e") ? text : String(Number(text));
}

const KINDS: Record<string, string> = { u: "uint", i: "int", f: "float", c: "complex", b: "bool" };

/** numpy's name of a type for its short code: "<i2" → "int16", "|u1" → "uint8"; any other text stays. */
export function dtypeName(code: string): string {
  const found = /^[<>|=]?([uifcb])(\d{1,2})$/.exec(code);
  if (!found) return code;
  const [, kind, bytes] = found as unknown as [string, string, string];
  return kind === "b" ? "bool" : `${KINDS[kind]}${Number(bytes) * 8}`;
}

/** Local date and time with a zone, for titles; empty when it is none. */
export function moment(at: string | null | undefined): string {
  const then = at ? new Date(at) : null;
  if (!then || Number.isNaN(then.getTime())) return "";
  return new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" }).format(then);
}

/** Local date and time in a column: short, to the second, with the year only where it is another one. */
export function stamp(at: string, now: number): string {
  const then = new Date(at);
  if (Number.isNaN(then.getTime())) return "";
  const sameYear = then.getFullYear() === new Date(now).getFullYear();
  const date = new Intl.DateTimeFormat("en", {
    month: "short",
    day: "numeric",
    ...(sameYear ? {} : { year: "numeric" }),
  }).format(then);
  const time = new Intl.DateTimeFormat("en", {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  }).format(then);
  return `${date}, ${time}`;
}

/** A server's half sentence as a whole one: "no such thing" → "No such thing." */
export function sentence(text: string): string {
  const trimmed = text.trim();
  if (!trimmed) return "";
  return trimmed.charAt(0).toUpperCase() + trimmed.slice(1) + (/[.!?…:)]$/.test(trimmed) ? "" : ".");
}

/** "28×28", "28×28×3" or "512×512×120". */
export function shape(width: number, height: number, depth: number, channels: number): string {
  const parts = [width, height];
  if (depth > 1) parts.push(depth);
  if (channels > 1) parts.push(channels);
  return parts.join("×");
}
