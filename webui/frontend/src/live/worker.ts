// The SharedWorker: ten tabs, one stream. Pages connect with connect.ts; the browser ends it with the last page.
import { EventStream, type Message, type Request } from "./stream";

interface SharedScope {
  onconnect: ((event: MessageEvent) => void) | null;
}

// A page says hello every half minute (browsers slow hidden pages down to one timer a minute); one that has not for
// this long is gone or frozen. A frozen page that wakes says hello again and is told to fetch anew.
const GONE_AFTER = 180_000;

const ports = new Map<MessagePort, number>();
const stream = new EventStream((message) => {
  for (const port of ports.keys()) port.postMessage(message);
});

function leave(port: MessagePort): void {
  ports.delete(port);
  if (ports.size === 0) stream.close();
}

function join(port: MessagePort, missed: boolean): void {
  const known = ports.has(port);
  ports.set(port, Date.now());
  if (known) return;
  for (const message of stream.now()) port.postMessage(message);
  if (missed) port.postMessage({ kind: "reset" } satisfies Message);
  stream.open();
}

(self as unknown as SharedScope).onconnect = (event) => {
  const port = event.ports[0] as MessagePort;
  port.onmessage = (said: MessageEvent<Request>) => {
    if (said.data.kind === "hello") join(port, true);
    else if (said.data.kind === "bye") leave(port);
    else if (said.data.kind === "open") stream.open();
    else stream.forget();
  };
  port.addEventListener("close", () => leave(port)); // where browsers tell
  join(port, false);
};

setInterval(() => {
  for (const [port, seen] of ports) if (Date.now() - seen > GONE_AFTER) leave(port);
}, 30_000);
