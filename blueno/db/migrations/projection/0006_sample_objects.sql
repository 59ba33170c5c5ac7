-- Samples (the custom resource) as the cluster tells them. The operator's mirror is the only writer of this table; the
-- samples themselves, one row each, are in the tables of versions and working sets.
CREATE TABLE projection.sample_object (
    uid uuid PRIMARY KEY,
    namespace text NOT NULL COLLATE "C",
    name text NOT NULL COLLATE "C",
    rv bigint NOT NULL, -- resourceVersion
    resync bigint NOT NULL DEFAULT 0, -- of the last full copy that saw it
    generation bigint NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    dataset text NOT NULL COLLATE "C", -- name of the Dataset, in the same namespace
    dataset_uid text, -- in whose working set it is, or was last
    ready boolean NOT NULL,
    reconciling boolean NOT NULL,
    stalled boolean NOT NULL,
    reason text NOT NULL,
    message text NOT NULL,
    key text, -- of a single sample in the working set
    samples bigint,
    rejected bigint NOT NULL,
    managed_by text, -- Argo CD, Flux or Helm, when one of them owns the object
    document jsonb NOT NULL -- {"spec", "status"} as they stand in the cluster
);
CREATE INDEX sample_object_by_dataset ON projection.sample_object (namespace, dataset, name) WHERE deleted_at IS NULL;
