// A page's end of the event stream: through the SharedWorker where there is one, else a stream of its own that is
// closed while the page is hidden (browsers allow six connections to a server, and ten tabs want to work).
import type { ChangeEvent, HealthEvent } from "../api";
import { health } from "../health";
import { loadSession, session } from "../session";
import { Coalescer, nextFrame, type Batch } from "./coalesce";
import { EventStream, type Message, type Request } from "./stream";

type Listener = (batch: Batch) => void;

const listeners = new Set<Listener>();
const coalescer = new Coalescer((batch) => {
  for (const listener of [...listeners]) listener(batch);
}, nextFrame);

/** Hears about changes once a frame; the result ends that. */
export function onChanges(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function parse<T>(text: string): T | null {
  try {
    return JSON.parse(text) as T;
  } catch {
    return null;
  }
}

function receive(message: Message): void {
  if (message.kind === "change") {
    const event = parse<ChangeEvent>(message.data);
    if (event) coalescer.change(event);
  } else if (message.kind === "health") {
    const event = parse<HealthEvent>(message.data);
    if (event) health.told(event);
  } else if (message.kind === "reset") {
    coalescer.missed();
  } else if (message.kind === "state") {
    health.streamIs(message.state);
    if (message.state === "signed-out" && session.get().kind === "in") void loadSession();
  }
}

const HELLO_EVERY = 30_000;
let say: ((request: Request) => void) | null = null;

function direct(): void {
  const stream = new EventStream(receive);
  const follow = (): void => (document.hidden ? stream.close() : stream.open());
  document.addEventListener("visibilitychange", follow);
  window.addEventListener("pagehide", () => stream.close());
  window.addEventListener("pageshow", (event) => event.persisted && follow());
  say = (request) => (request.kind === "close" ? stream.forget() : stream.open());
  stream.open();
}

function shared(): void {
  const worker = new SharedWorker(new URL("./worker.ts", import.meta.url), { type: "module", name: "blueno-events" });
  const port = worker.port;
  let fallen = false;
  say = (request) => port.postMessage(request);
  port.onmessage = (event: MessageEvent<Message>) => receive(event.data);
  worker.onerror = () => {
    if (fallen) return;
    fallen = true;
    direct(); // the script could not be loaded or run
  };
  const hello = (): void => {
    if (!fallen) port.postMessage({ kind: "hello" } satisfies Request);
  };
  window.setInterval(hello, HELLO_EVERY);
  window.addEventListener("pagehide", () => port.postMessage({ kind: "bye" } satisfies Request));
  window.addEventListener("pageshow", (event) => event.persisted && hello());
}

/** Follows the session: connects when somebody signs in, ends the stream when they leave. */
export function startLive(): void {
  const follow = (): void => {
    const kind = session.get().kind;
    if (kind === "in") {
      if (say) say({ kind: "open" });
      else if (typeof SharedWorker === "function") shared();
      else direct();
    } else if (kind === "none") {
      say?.({ kind: "close" });
    }
  };
  session.watch(follow);
  follow();
}
