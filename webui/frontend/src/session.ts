// Who is signed in. An ended session leads to the login and from there back to the same address.
import type { Session } from "./api";
import { Problem, json, whenSignedOut } from "./client";
import { Store } from "./lib/store";
import { flush, here, location, navigate, safeNext } from "./router";

export type SessionState =
  { kind: "unknown" } | { kind: "none" } | { kind: "in"; who: Session } | { kind: "failed"; problem: Problem };

export const session = new Store<SessionState>({ kind: "unknown" });

const OPEN_PATHS = ["/login", "/setup"];

/** To the login, unless we are there. */
function leave(): void {
  session.set({ kind: "none" });
  if (OPEN_PATHS.includes(location.get().path)) return;
  const back = here();
  navigate(back === "/" || back === "/datasets" ? "/login" : `/login?next=${encodeURIComponent(back)}`);
}

whenSignedOut(leave);

/** Asks the server who we are. */
export async function loadSession(): Promise<void> {
  try {
    session.set({ kind: "in", who: await json<Session>("/session") });
  } catch (error) {
    if (error instanceof Problem && error.status === 401) {
      await nobody();
      return;
    }
    if (error instanceof Problem) session.set({ kind: "failed", problem: error });
  }
}

async function nobody(): Promise<void> {
  if (location.get().path === "/setup") {
    session.set({ kind: "none" });
    return;
  }
  const setup = await json<{ needed: boolean }>("/setup").catch(() => ({ needed: false }));
  if (setup.needed) {
    session.set({ kind: "none" });
    navigate("/setup", { replace: true });
  } else {
    leave();
  }
}

/** After a login or the first set-up: on to where the person wanted to go. */
export function entered(who: Session): void {
  session.set({ kind: "in", who });
  navigate(safeNext(location.get().query.get("next")), { replace: true }); // "back" shall not lead to the login
  flush();
  void loadSession(); // the login's answer has no server version
}

export async function signOut(): Promise<void> {
  await json("/logout", { method: "POST" }).catch(() => undefined); // a dead session is signed out, too
  session.set({ kind: "none" });
  navigate("/login");
}
