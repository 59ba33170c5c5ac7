// Users, for administrators: who may sign in, with which role, in which namespaces.
import type { JSX, TargetedSubmitEvent } from "preact";
import { useState } from "preact/hooks";
import type { Role, User } from "../api";
import { Problem, asProblem } from "../client";
import { createUser, deleteUser, listUsers, setPassword } from "../endpoints";
import { moment } from "../lib/format";
import { useTitle } from "../lib/hooks";
import { useQuery } from "../lib/query";
import { useStore } from "../lib/store";
import { session } from "../session";
import { Confirm, Dialog } from "../ui/dialog";
import { Bones, ErrorNote } from "../ui/errors";
import { Field } from "../ui/field";
import { Icon } from "../ui/icons";
import { showToast } from "../ui/toast";

const ROLES: readonly { role: Role; may: string }[] = [
  { role: "viewer", may: "looks at data sets and samples" },
  { role: "editor", may: "also changes them" },
  { role: "admin", may: "also manages users" },
];

/** Namespaces as people type them: "photos, scans" or "*". */
export function parseNamespaces(text: string): string[] {
  return [...new Set(text.split(/[\s,]+/).filter((name) => name !== ""))];
}

interface FormProps {
  title: string;
  verb: string;
  done: string;
  act: (values: FormData) => Promise<unknown>;
  close: () => void;
  children: JSX.Element | JSX.Element[];
}

function FormDialog({ title, verb, done, act, close, children }: FormProps): JSX.Element {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const onSubmit = (event: TargetedSubmitEvent<HTMLFormElement>): void => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    act(new FormData(event.currentTarget)).then(
      () => {
        showToast(done);
        close();
      },
      (error: unknown) => {
        setBusy(false);
        setProblem(asProblem(error));
      },
    );
  };
  return (
    <Dialog title={title} onClose={close}>
      <form class="form" onSubmit={onSubmit}>
        {children}
        {problem && <ErrorNote problem={problem} />}
        <div class="actions">
          <button type="button" class="btn" onClick={close}>
            Cancel
          </button>
          <button class="btn primary" disabled={busy}>
            {verb}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

const text = (values: FormData, key: string): string => String(values.get(key) ?? "");

function NewUser({ close }: { close: () => void }): JSX.Element {
  const act = (values: FormData): Promise<unknown> =>
    createUser({
      email: text(values, "email").trim(),
      password: text(values, "password"),
      role: text(values, "role") as Role,
      namespaces: parseNamespaces(text(values, "namespaces")),
    });
  return (
    <FormDialog title="New user" verb="Create user" done="User created" act={act} close={close}>
      <Field label="Email" name="email" type="email" required autofocus autocomplete="off" />
      <Field
        label="Password"
        name="password"
        type="password"
        required
        minLength={10}
        autocomplete="new-password"
        help="At least 10 characters. Hand it over by a safe way; an administrator can set another one."
      />
      <div class="field">
        <label for="new-role">Role</label>
        <select id="new-role" name="role" class="input">
          {ROLES.map(({ role, may }) => (
            <option key={role} value={role}>
              {role}: {may}
            </option>
          ))}
        </select>
      </div>
      <Field
        label="Namespaces"
        name="namespaces"
        mono
        autocomplete="off"
        help="Separated by commas; * for all. None: the user sees no data set."
      />
    </FormDialog>
  );
}

type Open = { kind: "new" } | { kind: "password" | "delete"; user: User } | null;

export function UsersPage(): JSX.Element {
  useTitle("Users");
  const users = useQuery("users", (how) => listUsers(how));
  const [open, setOpen] = useState<Open>(null);
  const me = useStore(session, (state) => (state.kind === "in" ? state.who.email : ""));
  const close = (): void => {
    setOpen(null);
    users.reload();
  };
  return (
    <div class="page">
      <div class="page-head">
        <h1>Users</h1>
        <button type="button" class="btn primary push" onClick={() => setOpen({ kind: "new" })}>
          <Icon name="plus" />
          New user
        </button>
      </div>
      {users.error && <ErrorNote problem={users.error} retry={users.reload} />}
      {!users.data && users.loading && <Bones lines={4} height={20} />}
      {users.data && (
        <div class="card table-card">
          <table class="table" aria-label="Users">
            <thead>
              <tr>
                <th scope="col">Email</th>
                <th scope="col">Role</th>
                <th scope="col">Namespaces</th>
                <th scope="col" class="wide">Created</th>
                <th scope="col">
                  <span class="hidden-text">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {users.data.items.map((user) => (
                <tr key={user.email}>
                  <td class="any-break">
                    {user.email}
                    {user.email === me && (
                      <>
                        {" "}
                        <span class="tag">you</span>
                      </>
                    )}
                  </td>
                  <td>{user.role}</td>
                  <td class="mono small">
                    {user.namespaces.includes("*")
                      ? "all"
                      : user.namespaces.join(", ") || <span class="soft">none</span>}
                  </td>
                  <td class="soft small wide">{moment(user.createdAt)}</td>
                  <td>
                    <div class="actions">
                      <button
                        type="button"
                        class="btn slim"
                        onClick={() => setOpen({ kind: "password", user })}
                        aria-label={`Set password of ${user.email}`}
                      >
                        <Icon name="key" />
                        <span class="wide">Password</span>
                      </button>
                      <button
                        type="button"
                        class="btn slim danger"
                        disabled={user.email === me}
                        onClick={() => setOpen({ kind: "delete", user })}
                        aria-label={`Delete ${user.email}`}
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
      {open?.kind === "new" && <NewUser close={close} />}
      {open?.kind === "password" && (
        <FormDialog
          title={`Password of ${open.user.email}`}
          verb="Set password"
          done="Password set"
          close={close}
          act={(values) => setPassword(open.user.email, text(values, "password"))}
        >
          <p class="soft small">Sessions and tokens of this user end at once.</p>
          <Field
            label="New password"
            name="password"
            type="password"
            required
            minLength={10}
            autofocus
            autocomplete="new-password"
            help="At least 10 characters."
          />
        </FormDialog>
      )}
      {open?.kind === "delete" && (
        <Confirm
          title={`Delete ${open.user.email}?`}
          verb="Delete user"
          onClose={close}
          act={() => deleteUser(open.user.email)}
        >
          Sessions and tokens of this user end at once. Data sets stay as they are.
        </Confirm>
      )}
    </div>
  );
}
