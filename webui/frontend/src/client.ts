// Every request goes through here: errors as problems, waiting where the server asks for it, an end to everything.
import type { ProblemBody } from "./api";
import { health } from "./health";

/** What went wrong, in the server's words where it had any. */
export class Problem extends Error {
  override name = "Problem";

  constructor(
    readonly status: number,
    readonly code: string,
    readonly title: string,
    readonly detail: string,
    readonly body: ProblemBody = {},
    readonly retryAfter: number | null = null,
  ) {
    super(detail || title);
  }
}

export interface Waiting {
  code: string;
  detail: string;
  /** Seconds until the next try. */
  retryAfter: number;
  /** Milliseconds since the epoch when the waiting began. */
  since: number;
}

export type Query = Record<string, string | number | null | undefined>;

export interface RequestOptions {
  method?: string;
  query?: Query | undefined;
  body?: unknown;
  signal?: AbortSignal | undefined;
  /** Told whenever an answer has to be waited for, and with null when it has come. */
  onWaiting?: ((waiting: Waiting | null) => void) | undefined;
}

const TIMEOUT = 30_000;
/** How long a sleeping data server may take: pulling its image on a new node included. */
export const WAKE_LIMIT = 180_000;
const RETRY_LIMIT = 20_000; // ms in all for other 503s, then a person decides

let onSignedOut: () => void = () => undefined;

/** Who is told when the session has ended; set once by session.ts. */
export function whenSignedOut(callback: () => void): void {
  onSignedOut = callback;
}

/** Address of an API path; parameters that are empty are left out. */
export function apiUrl(path: string, query?: Query): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value !== null && value !== undefined && value !== "") params.set(key, String(value));
  }
  const text = params.toString();
  return `/api/v1${path}${text ? `?${text}` : ""}`;
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted) stop();
  });
}

/** Seconds of a Retry-After header, kept within what is neither a storm nor for ever. */
export function retryAfter(header: string | null): number | null {
  if (header === null) return null;
  const seconds = Number(header);
  return Number.isFinite(seconds) ? Math.min(30, Math.max(0.5, seconds)) : null;
}

async function problemOf(response: Response): Promise<Problem> {
  let body: ProblemBody = {};
  try {
    body = (await response.json()) as ProblemBody;
  } catch {
    // A proxy's page in place of our JSON: the status has to do.
  }
  return new Problem(
    response.status,
    body.code ?? `http_${response.status}`,
    body.title ?? "The server could not answer",
    body.detail ?? `It answered with status ${response.status}.`,
    body,
    retryAfter(response.headers.get("Retry-After")),
  );
}

async function once(url: string, options: RequestOptions): Promise<Response> {
  const limit = AbortSignal.timeout(TIMEOUT);
  const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
  const init: RequestInit = { method: options.method ?? "GET", signal, credentials: "same-origin" };
  init.headers = { Accept: "application/json" };
  if (options.body !== undefined) {
    init.headers = { ...init.headers, "Content-Type": "application/json" };
    init.body = JSON.stringify(options.body);
  }
  try {
    return await fetch(url, init);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    const slow = limit.aborted;
    const detail = slow
      ? `There was no answer within ${TIMEOUT / 1000} seconds. Try again; if it stays so, look at the web pod.`
      : "The connection failed. Check that you are online and that Blueno's web process runs.";
    throw new Problem(0, slow ? "timeout" : "network", "The server cannot be reached", detail, {}, slow ? null : 1);
  }
}

function mayRetry(problem: Problem, method: string, waited: number): boolean {
  if (method !== "GET" || problem.retryAfter === null) return false;
  if (problem.code === "data_server_starting") return waited < WAKE_LIMIT;
  return (problem.status === 503 || problem.status === 429 || problem.code === "network") && waited < RETRY_LIMIT;
}

/** The response of a successful request; throws Problem, or the abort's reason. */
export async function send(url: string, options: RequestOptions = {}): Promise<Response> {
  const since = Date.now();
  for (let attempt = 0; ; attempt += 1) {
    let problem: Problem;
    try {
      const response = await once(url, options);
      if (response.ok) {
        health.heard(response.headers.get("Blueno-Stale-Seconds"));
        if (attempt > 0) options.onWaiting?.(null);
        return response;
      }
      problem = await problemOf(response);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      problem = error;
    }
    if (problem.status === 401 && !/\/(login|session|setup)$/.test(url)) onSignedOut();
    if (!mayRetry(problem, options.method ?? "GET", Date.now() - since)) {
      options.onWaiting?.(null);
      throw problem;
    }
    // A server that sleeps is asked as often as it says; others with growing pauses and some chance, so that many
    // open pages do not come back all at once.
    const asked = problem.retryAfter as number;
    const seconds =
      problem.code === "data_server_starting"
        ? asked
        : Math.min(10, asked * 1.6 ** attempt) * (0.8 + Math.random() * 0.4);
    options.onWaiting?.({ code: problem.code, detail: problem.detail, retryAfter: seconds, since });
    await pause(seconds * 1000, options.signal);
  }
}

/** The JSON of a successful answer; undefined for 204. */
export async function json<T>(path: string, options: RequestOptions = {}): Promise<T> {
  const response = await send(apiUrl(path, options.query), options);
  return response.status === 204 ? (undefined as T) : ((await response.json()) as T);
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && (error.name === "AbortError" || error.name === "TimeoutError");
}

/** Anything thrown, as a problem that can be shown. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new Problem(0, "client", "This page has a fault", `${text}. Reload the page; if it stays so, report it.`);
}
