// Where the browser begins.
import { render } from "preact";
import { App } from "./app";
import { startClock } from "./lib/hooks";
import { startKeys } from "./lib/keys";
import { forgetAnswers } from "./lib/query";
import { startLive } from "./live/connect";
import { startRouter } from "./router";
import { loadSession, session } from "./session";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/components.css";
import "./styles/shell.css";
import "./styles/datasets.css";
import "./styles/dataset.css";
import "./styles/runs.css";
import "./styles/grid.css";
import "./styles/gallery.css";
import "./styles/viewer.css";

startRouter();
startKeys();
startClock();
startLive();
session.watch(() => {
  if (session.get().kind !== "in") forgetAnswers();
});
render(<App />, document.getElementById("app") as HTMLElement);
void loadSession();
