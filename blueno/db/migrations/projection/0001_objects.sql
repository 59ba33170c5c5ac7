-- What the cluster says, for people and for search. The operator's mirror is the only writer of the tables in this file.
-- Everything in schema `projection` can be dropped at any time: it is made again from the cluster and the volumes.

-- One row. `id` names this life of the schema: event ids carry it, so that a stream that was dropped and made again is
-- never mistaken for the one before. `fence` is the highest Lease epoch that wrote, `resync` the newest full copy begun,
-- `heartbeat_at` when the mirror was last at work: readers say by it how old what they show may be.
CREATE TABLE projection.stream (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    id text NOT NULL,
    fence bigint NOT NULL DEFAULT 0,
    resync bigint NOT NULL DEFAULT 0,
    resynced_at timestamptz,
    heartbeat_at timestamptz
);
INSERT INTO projection.stream (id) VALUES (replace(gen_random_uuid()::text, '-', ''));

CREATE TABLE projection.dataset (
    uid uuid PRIMARY KEY,
    namespace text NOT NULL COLLATE "C",
    name text NOT NULL COLLATE "C",
    rv bigint NOT NULL, -- resourceVersion
    resync bigint NOT NULL DEFAULT 0, -- of the last full copy that saw it
    generation bigint NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    display_name text,
    ready boolean NOT NULL,
    reconciling boolean NOT NULL,
    stalled boolean NOT NULL,
    reason text NOT NULL,
    message text NOT NULL,
    stage text,
    percentage smallint,
    remaining_seconds bigint,
    samples bigint,
    bytes bigint,
    classes integer,
    version_digest text,
    version_sequence integer,
    indexed_digest text, -- the version whose rows the recorder has reported as loaded
    managed_by text, -- Argo CD, Flux or Helm, when one of them owns the object
    document jsonb NOT NULL -- {"spec", "status"} as they stand in the cluster
);
CREATE INDEX dataset_by_name ON projection.dataset (namespace, name) WHERE deleted_at IS NULL;

-- What changed, in the order of commits (there is one writer). Kept 24 hours or a million rows.
CREATE TABLE projection.change_log (
    seq bigserial PRIMARY KEY,
    kind text NOT NULL,
    uid uuid NOT NULL,
    namespace text NOT NULL,
    op text NOT NULL CHECK (op IN ('upsert', 'delete')),
    at timestamptz NOT NULL DEFAULT now()
);
