-- What training runs said: numbers and text. The recorder is the only writer of the tables in this file.

-- A series is one metric of one run, over all its attempts. `seen` points came, of which every stride-th is stored: when
-- 50,000 are, every other one goes and the stride doubles (blueno/db/run_metrics_write.py). So no series outgrows that,
-- and it covers the whole run evenly.
CREATE TABLE record.metric_series (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_uid uuid NOT NULL,
    name text NOT NULL COLLATE "C",
    seen bigint NOT NULL DEFAULT 0,
    stride bigint NOT NULL DEFAULT 1,
    UNIQUE (run_uid, name)
);

CREATE TABLE record.metric (
    series_id bigint NOT NULL REFERENCES record.metric_series ON DELETE CASCADE,
    n bigint NOT NULL, -- how many points of the series came before it
    step bigint,
    at timestamptz NOT NULL,
    value double precision NOT NULL, -- finite
    attempt integer NOT NULL,
    PRIMARY KEY (series_id, n)
);

-- Up to where the operator's points are stored, moved in the transaction that stores them: none is stored twice. An
-- epoch is one life of the operator's ring.
CREATE TABLE record.metric_position (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    epoch text NOT NULL,
    seq bigint NOT NULL
);

-- One for each pod of a run. `taken` bytes of the kubelet's text have become `bytes` bytes of ours (secrets are scrubbed):
-- after a restart reading goes on there. The digests tell whether what the kubelet serves then still begins with, or
-- contains, what was taken: of the first `head_bytes` bytes, and of the last `tail_lines` lines (at most 8).
CREATE TABLE record.log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_uid uuid NOT NULL,
    attempt integer NOT NULL,
    namespace text NOT NULL,
    pod text NOT NULL,
    pod_uid text NOT NULL,
    bytes bigint NOT NULL DEFAULT 0,
    taken bigint NOT NULL DEFAULT 0,
    head_bytes integer NOT NULL DEFAULT 0,
    head_sum bytea NOT NULL DEFAULT '',
    tail_lines integer NOT NULL DEFAULT 0,
    tail_sum bytea NOT NULL DEFAULT '',
    complete boolean NOT NULL DEFAULT false, -- nothing more will come
    gap_from bigint, -- what was dropped of it, see log_chunk
    gap_to bigint,
    begun_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (run_uid, pod_uid)
);

-- Of a run, in the order in which its text came (id), the first 8 MiB (`head`) and the last 56 MiB are kept, whatever its
-- pods. So what a pod's log lacks is one piece: its gap.
CREATE TABLE record.log_chunk (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    log_id bigint NOT NULL REFERENCES record.log ON DELETE CASCADE,
    first bigint NOT NULL, -- offset in the log
    bytes integer NOT NULL, -- of the text, at most 262,144
    head boolean NOT NULL,
    data bytea NOT NULL, -- zstd
    UNIQUE (log_id, first)
);
ALTER TABLE record.log_chunk ALTER COLUMN data SET STORAGE EXTERNAL; -- is compressed already
