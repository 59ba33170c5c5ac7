-- What cannot be made again from the cluster: schema `record` is what a backup holds.

CREATE TABLE record.person (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE CHECK (email = lower(email)),
    password text NOT NULL, -- scrypt, with its parameters and salt
    role text NOT NULL CHECK (role IN ('admin', 'editor', 'viewer')),
    namespaces text[] NOT NULL DEFAULT '{}', -- '*' stands for all
    created_at timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz
);

-- Only sums (sha256) of what people hold are stored: who reads this table can log in as nobody.
CREATE TABLE record.session (
    sum bytea PRIMARY KEY,
    person_id bigint NOT NULL REFERENCES record.person ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX session_by_person ON record.session (person_id);

CREATE TABLE record.token (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sum bytea NOT NULL UNIQUE,
    person_id bigint NOT NULL REFERENCES record.person ON DELETE CASCADE,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz,
    expires_at timestamptz
);
CREATE INDEX token_by_person ON record.token (person_id);

-- What the one-time code of the first user is made from, with session.key: every web process shows the same code.
CREATE TABLE record.setup_seed (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    seed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE record.audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL, -- an email, or '' when nobody was logged in
    verb text NOT NULL,
    resource text NOT NULL,
    namespace text NOT NULL DEFAULT '',
    name text NOT NULL DEFAULT '',
    outcome text NOT NULL, -- ok, denied, failed
    request_id text NOT NULL DEFAULT '',
    remote text NOT NULL DEFAULT '',
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_by_time ON record.audit (at);

CREATE FUNCTION record.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'record.audit is append-only';
END $$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE ON record.audit
    FOR EACH STATEMENT EXECUTE FUNCTION record.refuse_change();
