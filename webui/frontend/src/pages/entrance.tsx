// For those who are not signed in: the login, and the form for the very first user.
import type { JSX, TargetedSubmitEvent } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Problem, asProblem } from "../client";
import { getSetup, logIn, setUp } from "../endpoints";
import type { Session } from "../api";
import { useTitle } from "../lib/hooks";
import { useStore } from "../lib/store";
import { location, navigate } from "../router";
import { entered } from "../session";
import { Field } from "../ui/field";
import { ErrorNote } from "../ui/errors";
import { Mark } from "../ui/icons";

/** Runs a form: busy while it is sent, the problem when it failed. */
function useForm(act: (values: FormData) => Promise<Session>): {
  busy: boolean;
  problem: Problem | null;
  onSubmit: (event: TargetedSubmitEvent<HTMLFormElement>) => void;
} {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const onSubmit = (event: TargetedSubmitEvent<HTMLFormElement>): void => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setProblem(null);
    act(new FormData(event.currentTarget)).then(entered, (error: unknown) => {
      setBusy(false);
      setProblem(asProblem(error));
    });
  };
  return { busy, problem, onSubmit };
}

const text = (values: FormData, key: string): string => String(values.get(key) ?? "");

export function LoginPage(): JSX.Element {
  useTitle("Sign in");
  const next = useStore(location).query.get("next");
  const [setupNeeded, setSetupNeeded] = useState(false);
  useEffect(() => {
    const abort = new AbortController();
    getSetup({ signal: abort.signal }).then(
      (answer) => setSetupNeeded(answer.needed),
      () => undefined,
    );
    return () => abort.abort();
  }, []);
  const form = useForm((values) => logIn({ email: text(values, "email").trim(), password: text(values, "password") }));
  return (
    <div class="entrance">
      <div class="card">
        <div class="brand">
          <Mark />
          Blueno
        </div>
        <div>
          <h1>Sign in</h1>
          {next && <p class="soft small">You come back to where you were.</p>}
        </div>
        {setupNeeded && (
          <div class="notice busy">
            <div class="body">
              Nobody can sign in yet. <a href="/setup">Create the first user</a>
            </div>
          </div>
        )}
        <form onSubmit={form.onSubmit}>
          <Field label="Email" name="email" type="email" autocomplete="username" required autofocus />
          <Field label="Password" name="password" type="password" autocomplete="current-password" required />
          {form.problem && <ErrorNote problem={form.problem} />}
          <button class="btn primary" disabled={form.busy}>
            {form.busy ? "Signing in…" : "Sign in"}
          </button>
        </form>
      </div>
    </div>
  );
}

export function SetupPage(): JSX.Element {
  useTitle("First user");
  const [needed, setNeeded] = useState<boolean | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    getSetup({ signal: abort.signal }).then(
      (answer) => setNeeded(answer.needed),
      () => setNeeded(true),
    );
    return () => abort.abort();
  }, []);
  const form = useForm((values) => {
    if (text(values, "password") !== text(values, "again")) {
      return Promise.reject(new Problem(0, "mismatch", "The passwords differ", "Type the same password twice."));
    }
    return setUp({
      code: text(values, "code").trim(),
      email: text(values, "email").trim(),
      password: text(values, "password"),
    });
  });
  if (needed === false) {
    return (
      <div class="entrance">
        <div class="card">
          <div class="brand">
            <Mark />
            Blueno
          </div>
          <p>The first user exists already. Sign in, or ask an administrator for an account.</p>
          <button type="button" class="btn primary" onClick={() => navigate("/login")}>
            Sign in
          </button>
        </div>
      </div>
    );
  }
  return (
    <div class="entrance">
      <div class="card">
        <div class="brand">
          <Mark />
          Blueno
        </div>
        <div>
          <h1>Create the first user</h1>
          <p class="soft small">This user is an administrator and can create the others.</p>
        </div>
        <form onSubmit={form.onSubmit}>
          <Field
            label="One-time code"
            name="code"
            required
            autofocus
            autocomplete="one-time-code"
            mono
            help="It stands in the web process's log: kubectl -n blueno-system logs deploy/blueno-web"
          />
          <Field label="Email" name="email" type="email" autocomplete="username" required />
          <Field
            label="Password"
            name="password"
            type="password"
            autocomplete="new-password"
            required
            minLength={10}
            help="At least 10 characters."
          />
          <Field label="Password again" name="again" type="password" autocomplete="new-password" required />
          {form.problem && <ErrorNote problem={form.problem} />}
          <button class="btn primary" disabled={form.busy}>
            {form.busy ? "Creating…" : "Create and sign in"}
          </button>
        </form>
      </div>
    </div>
  );
}
