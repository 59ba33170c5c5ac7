// The address is the state: pages read it with useLocation() and change it with navigate().
// Writes to the browser's history are collected, because browsers refuse more than about a hundred in ten seconds.
import { Store } from "./lib/store";

export interface Location {
  path: string;
  query: URLSearchParams;
}

interface Options {
  /** Replace the entry in the history instead of adding one. */
  replace?: boolean;
}

const WRITE_AFTER = 120; // ms; a held-down arrow key changes the address 30 times a second

function read(): Location {
  return { path: decodePath(window.location.pathname), query: new URLSearchParams(window.location.search) };
}

function decodePath(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, "") || "/" : path;
}

export const location = new Store<Location>(read());

let pending: string | null = null;
let timer = 0;

/** Writes what is still to be written; also called when the page is left. */
export function flush(): void {
  window.clearTimeout(timer);
  if (pending === null) return;
  window.history.replaceState(null, "", pending);
  pending = null;
}

/** Address of a path with a query; slashes, quotes and commas in values stay readable where that is unambiguous. */
export function href(path: string, query?: URLSearchParams): string {
  const text = query ? query.toString().replaceAll("%2F", "/").replaceAll("%2C", ",") : "";
  return text ? `${path}?${text}` : path;
}

export function navigate(to: string, options: Options = {}): void {
  const url = new URL(to, window.location.origin);
  if (url.origin !== window.location.origin) return; // never anywhere else, whatever a `next` parameter says
  const target = url.pathname + url.search;
  if (options.replace) {
    pending = target;
    window.clearTimeout(timer);
    timer = window.setTimeout(flush, WRITE_AFTER);
  } else {
    flush();
    if (target !== window.location.pathname + window.location.search) window.history.pushState(null, "", target);
  }
  const samePath = decodePath(url.pathname) === location.get().path;
  location.set({ path: decodePath(url.pathname), query: url.searchParams });
  if (!samePath && !options.replace) window.scrollTo(0, 0);
}

/** The address that is shown now, path and query. */
export function here(): string {
  const { path, query } = location.get();
  return href(path, query);
}

/** Listens to the browser: back and forward, and clicks on links within the application. */
export function startRouter(): void {
  window.addEventListener("popstate", () => {
    pending = null;
    location.set(read());
  });
  window.addEventListener("pagehide", flush);
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest?.("a");
    if (!link || link.target || link.hasAttribute("download") || link.origin !== window.location.origin) return;
    if (link.pathname.startsWith("/api/") || link.getAttribute("href")?.startsWith("#")) return;
    event.preventDefault();
    navigate(link.pathname + link.search);
  });
}

/** Only an address of this application: what a login may return to. */
export function safeNext(next: string | null): string {
  if (!next || !/^\/(?![/\\])/.test(next)) return "/";
  const path = next.split(/[?#]/, 1)[0] as string;
  return path === "/login" || path === "/setup" || path.startsWith("/api/") ? "/" : next;
}
