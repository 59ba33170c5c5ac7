// One's own tokens: what programs sign in with.
import type { JSX, TargetedSubmitEvent } from "preact";
import { useState } from "preact/hooks";
import type { NewToken, Token } from "../api";
import { Problem, asProblem } from "../client";
import { createToken, deleteToken, listTokens } from "../endpoints";
import { moment } from "../lib/format";
import { useTitle } from "../lib/hooks";
import { useQuery } from "../lib/query";
import { CopyButton } from "../ui/copy";
import { Confirm, Dialog } from "../ui/dialog";
import { Bones, ErrorNote } from "../ui/errors";
import { Field } from "../ui/field";
import { Icon } from "../ui/icons";

const LIVES = [
  { days: 30, text: "30 days" },
  { days: 90, text: "90 days" },
  { days: 365, text: "one year" },
  { days: null, text: "no end" },
] as const;

function Made({ token, close }: { token: NewToken; close: () => void }): JSX.Element {
  return (
    <Dialog title="Token created" onClose={close}>
      <p>Copy it now: it is shown this once only.</p>
      <div class="row">
        <code class="code cut" data-testid="new-token">
          {token.token}
        </code>
        <CopyButton text={token.token} what="token">
          Copy
        </CopyButton>
      </div>
      <p class="soft small">
        Programs send it as <code>Authorization: Bearer …</code>
      </p>
      <div class="actions">
        <button type="button" class="btn primary" onClick={close}>
          Done
        </button>
      </div>
    </Dialog>
  );
}

function NewDialog({ made, close }: { made: (token: NewToken) => void; close: () => void }): JSX.Element {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const onSubmit = (event: TargetedSubmitEvent<HTMLFormElement>): void => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    const values = new FormData(event.currentTarget);
    const days = Number(values.get("days"));
    createToken({ name: String(values.get("name") ?? "").trim(), expiresInDays: days || null }).then(
      made,
      (error: unknown) => {
        setBusy(false);
        setProblem(asProblem(error));
      },
    );
  };
  return (
    <Dialog title="New token" onClose={close}>
      <form class="form" onSubmit={onSubmit}>
        <Field
          label="Name"
          name="name"
          required
          autofocus
          autocomplete="off"
          help="What it is for, such as “training notebook”."
        />
        <div class="field">
          <label for="token-days">Good for</label>
          <select id="token-days" name="days" class="input">
            {LIVES.map(({ days, text }) => (
              <option key={text} value={String(days ?? 0)}>
                {text}
              </option>
            ))}
          </select>
        </div>
        {problem && <ErrorNote problem={problem} />}
        <div class="actions">
          <button type="button" class="btn" onClick={close}>
            Cancel
          </button>
          <button class="btn primary" disabled={busy}>
            Create token
          </button>
        </div>
      </form>
    </Dialog>
  );
}

type Open = { kind: "new" } | { kind: "made"; token: NewToken } | { kind: "delete"; token: Token } | null;

export function TokensPage(): JSX.Element {
  useTitle("Tokens");
  const tokens = useQuery("tokens", (how) => listTokens(how));
  const [open, setOpen] = useState<Open>(null);
  const close = (): void => {
    setOpen(null);
    tokens.reload();
  };
  const items = tokens.data?.items ?? [];
  return (
    <div class="page">
      <div class="page-head">
        <h1>Tokens</h1>
        <button type="button" class="btn primary push" onClick={() => setOpen({ kind: "new" })}>
          <Icon name="plus" />
          New token
        </button>
      </div>
      <p class="soft">
        Scripts and notebooks sign in with a token in place of your password. A token may do what you may do.
      </p>
      {tokens.error && <ErrorNote problem={tokens.error} retry={tokens.reload} />}
      {!tokens.data && tokens.loading && <Bones lines={3} height={20} />}
      {tokens.data && items.length === 0 && (
        <div class="card empty">
          <Icon name="key" />
          <p>You have no tokens.</p>
        </div>
      )}
      {items.length > 0 && (
        <div class="card table-card">
          <table class="table" aria-label="Tokens">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col" class="wide">Created</th>
                <th scope="col" class="wide">Last used</th>
                <th scope="col">Ends</th>
                <th scope="col">
                  <span class="hidden-text">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {items.map((token) => (
                <tr key={token.id}>
                  <td class="any-break">{token.name}</td>
                  <td class="soft small wide">{moment(token.createdAt)}</td>
                  <td class="soft small wide">{moment(token.usedAt) || "never"}</td>
                  <td class="soft small">{moment(token.expiresAt) || "no end"}</td>
                  <td>
                    <div class="actions">
                      <button
                        type="button"
                        class="btn slim danger"
                        aria-label={`Delete token ${token.name}`}
                        onClick={() => setOpen({ kind: "delete", token })}
                      >
                        <Icon name="trash" />
                        <span class="wide">Delete</span>
                      </button>
                    </div>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {open?.kind === "new" && <NewDialog close={close} made={(token) => setOpen({ kind: "made", token })} />}
      {open?.kind === "made" && <Made token={open.token} close={close} />}
      {open?.kind === "delete" && (
        <Confirm
          title={`Delete token “${open.token.name}”?`}
          verb="Delete token"
          onClose={close}
          act={() => deleteToken(open.token.id)}
        >
          Programs that use it can no longer sign in.
        </Confirm>
      )}
    </div>
  );
}
