// The frame around every page: navigation, session, health, keyboard. main.tsx renders it once.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Session } from "./api";
import { GalleryPage } from "./gallery/page";
import { health } from "./health";
import { useTitle } from "./lib/hooks";
import { useKeys } from "./lib/keys";
import { lazy } from "./lib/lazy";
import { useStore } from "./lib/store";
import { DatasetPage } from "./pages/dataset";
import { DatasetsPage } from "./pages/datasets";
import { LoginPage, SetupPage } from "./pages/entrance";
import { TokensPage } from "./pages/tokens";
import { UsersPage } from "./pages/users";
import { href, location, navigate } from "./router";
import { RunsPage } from "./runs/list";
import { loadSession, session, signOut } from "./session";
import { setTheme, theme, type Theme } from "./theme";
import { Banner } from "./ui/banner";
import { ErrorNote } from "./ui/errors";
import { Help } from "./ui/help";
import { Icon, Mark, type IconName } from "./ui/icons";
import { Menu } from "./ui/menu";
import { Voices } from "./ui/toast";

const THEMES: readonly { value: Theme; text: string; icon: IconName }[] = [
  { value: "system", text: "As the system", icon: "screen" },
  { value: "light", text: "Light", icon: "sun" },
  { value: "dark", text: "Dark", icon: "moon" },
];

// With charts and logs it is as big as the others together.
const RunPage = lazy(() => import("./runs/page").then((module) => module.RunPage));

const STREAM_WORDS = {
  connecting: "Connecting",
  live: "Live",
  lost: "Reconnecting",
  "signed-out": "Signed out",
} as const;

function Pulse(): JSX.Element {
  const stream = useStore(health, (value) => value.stream);
  const look = stream === "live" ? "live" : stream === "lost" ? "lost" : "";
  return (
    <div
      class={`pulse ${look}`}
      title={`Live updates: ${STREAM_WORDS[stream]}`}
      data-testid="stream"
      data-state={stream}
    >
      <i class="dot" aria-hidden="true" />
      <span>{STREAM_WORDS[stream]}</span>
    </div>
  );
}

function ThemeMenu(): JSX.Element {
  const now = useStore(theme);
  const icon = THEMES.find((one) => one.value === now)?.icon ?? "screen";
  return (
    <Menu label="Theme" class="btn icon ghost" button={<Icon name={icon} />}>
      {THEMES.map((one) => (
        <button type="button" key={one.value} aria-pressed={one.value === now} onClick={() => setTheme(one.value)}>
          <Icon name={one.icon} />
          {one.text}
          {one.value === now && (
            <span class="push">
              <Icon name="check" />
            </span>
          )}
        </button>
      ))}
    </Menu>
  );
}

function Bar({ who, help }: { who: Session; help: () => void }): JSX.Element {
  const { path } = useStore(location);
  const link = (to: string, text: string, here: boolean, look?: string): JSX.Element => (
    <a href={to} class={look} aria-current={here ? "page" : undefined}>
      {text}
    </a>
  );
  return (
    <header class="bar">
      <a class="brand" href="/datasets" aria-label="Blueno">
        <Mark />
        <span>Blueno</span>
      </a>
      <nav aria-label="Main">
        {link("/datasets", "Data sets", path === "/" || path.startsWith("/datasets"))}
        {link("/runs", "Runs", path === "/runs" || path.startsWith("/runs/"))}
        {link("/gallery", "Gallery", path === "/gallery")}
        {who.role === "admin" && link("/users", "Users", path === "/users", "wide")}
      </nav>
      <span class="push" />
      <Pulse />
      <button type="button" class="btn icon ghost wide" aria-label="Keyboard help" title="Keyboard (?)" onClick={help}>
        <Icon name="help" />
      </button>
      <ThemeMenu />
      <Menu label="Account" class="btn icon ghost" button={<Icon name="user" />}>
        <div class="head">
          <div class="cut">{who.email}</div>
          <div class="tiny soft">
            {who.role}, {who.namespaces.includes("*") ? "all namespaces" : who.namespaces.join(", ") || "no namespace"}
          </div>
        </div>
        {who.role === "admin" && (
          <a href="/users">
            <Icon name="user" />
            Users
          </a>
        )}
        <a href="/tokens">
          <Icon name="key" />
          Tokens
        </a>
        <button type="button" onClick={help}>
          <Icon name="help" />
          Keyboard
        </button>
        <button type="button" onClick={() => void signOut()}>
          <Icon name="out" />
          Sign out
        </button>
        {who.server && <div class="tiny soft head">Version {who.server.version}</div>}
      </Menu>
    </header>
  );
}

function NotFound(): JSX.Element {
  useTitle("Not found");
  return (
    <div class="page">
      <div class="card empty">
        <h1>There is no such page</h1>
        <p>The address may be mistyped, or the page was moved.</p>
        <a class="btn" href="/datasets">
          Data sets
        </a>
      </div>
    </div>
  );
}

function Page({ who }: { who: Session }): JSX.Element {
  const { path } = useStore(location);
  const [, first, namespace, name, more] = path.split("/").map(decode);
  if (first === "" || path === "/datasets") return <DatasetsPage />;
  if (first === "datasets" && namespace && name && more === undefined)
    return <DatasetPage key={path} namespace={namespace} name={name} />;
  if (path === "/runs") return <RunsPage />;
  if (first === "runs" && namespace && name && more === undefined)
    return <RunPage key={path} namespace={namespace} name={name} />;
  if (path === "/gallery") return <GalleryPage />;
  if (path === "/users" && who.role === "admin") return <UsersPage />;
  if (path === "/tokens") return <TokensPage />;
  return <NotFound />;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function SignedIn({ who }: { who: Session }): JSX.Element {
  const [help, setHelp] = useState(false);
  const { path } = useStore(location);
  useKeys({
    "?": () => setHelp(true),
    "g d": () => navigate("/datasets"),
    "g g": () => navigate("/gallery"),
    "g r": () => navigate("/runs"),
  });
  // Whoever listens hears that the page is another one: the focus goes to its beginning.
  const [shown, setShown] = useState(path);
  useEffect(() => {
    if (shown === path) return;
    setShown(path);
    document.getElementById("main")?.focus({ preventScroll: true });
  }, [path]);
  return (
    <>
      <a class="btn skip" href="#main">
        To the content
      </a>
      <Bar who={who} help={() => setHelp(true)} />
      <Banner />
      <main id="main" tabIndex={-1}>
        <Page who={who} />
      </main>
      {help && <Help close={() => setHelp(false)} />}
    </>
  );
}

function Content(): JSX.Element | null {
  const state = useStore(session);
  const { path, query } = useStore(location);
  const entrance = path === "/login" || path === "/setup";
  useEffect(() => {
    // Signed in already: on to where one wanted to go.
    if (state.kind === "in" && entrance)
      navigate(query.get("next") ? href("/datasets") : "/datasets", { replace: true });
  }, [state.kind, entrance]);
  if (path === "/setup" && state.kind !== "in")
    return (
      <main>
        <SetupPage />
      </main>
    );
  if (path === "/login" && state.kind !== "in")
    return (
      <main>
        <LoginPage />
      </main>
    );
  if (state.kind === "failed") {
    return (
      <main class="page">
        <ErrorNote problem={state.problem} retry={() => void loadSession()} />
      </main>
    );
  }
  return state.kind === "in" && !entrance ? <SignedIn who={state.who} /> : null;
}

export function App(): JSX.Element {
  return (
    <>
      <Content />
      <Voices />
    </>
  );
}
