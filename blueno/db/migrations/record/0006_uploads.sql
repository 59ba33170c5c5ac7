-- Answers to requests that came with an Idempotency-Key: asked again, the same answer. status is null while it is being
-- answered, or when the process that did so has ended. Rows go after a day.
CREATE TABLE record.idempotency (
    person_id bigint NOT NULL REFERENCES record.person ON DELETE CASCADE,
    key text NOT NULL,
    sum bytea NOT NULL, -- sha256 of method, path, query and body
    process text NOT NULL, -- random, one for each life of a web process
    begun_at timestamptz NOT NULL DEFAULT now(),
    touched_at timestamptz NOT NULL DEFAULT now(), -- when somebody last took it up
    status smallint,
    answer text, -- JSON
    PRIMARY KEY (person_id, key)
);
CREATE INDEX idempotency_by_time ON record.idempotency (begun_at);

-- Addresses of 2019 (file://data/<data set>/<sample>): what was uploaded to one is an upload that the data server keeps
-- until a sample is made of it; from then on the address stands for that sample.
CREATE TABLE record.data_url (
    dataset_uid uuid NOT NULL,
    url_sum bytea NOT NULL, -- sha256 of the address: one may be longer than an index row can be
    url text NOT NULL,
    upload text, -- its id; null when `key` is a sample
    key text,
    key_sum bytea,
    bytes bigint NOT NULL,
    sha256 text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (dataset_uid, url_sum),
    CHECK ((upload IS NULL) <> (key IS NULL))
);
CREATE INDEX data_url_by_time ON record.data_url (at) WHERE upload IS NOT NULL;
CREATE INDEX data_url_by_key ON record.data_url (dataset_uid, key_sum) WHERE key_sum IS NOT NULL;

-- Tokens that clients of 2019 get by logging in: they are many, short-lived, and not among those that a person made.
ALTER TABLE record.token ADD COLUMN by_login boolean NOT NULL DEFAULT false;
