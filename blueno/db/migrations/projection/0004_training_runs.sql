-- TrainingRuns as the cluster tells them. The operator's mirror is the only writer of the tables in this file.
CREATE TABLE projection.training_run (
    uid uuid PRIMARY KEY,
    namespace text NOT NULL COLLATE "C",
    name text NOT NULL COLLATE "C",
    rv bigint NOT NULL, -- resourceVersion
    resync bigint NOT NULL DEFAULT 0, -- of the last full copy that saw it
    generation bigint NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz, -- readable by its name for 7 days after that, in no list
    state text NOT NULL CHECK (state IN ('pending', 'running', 'suspended', 'succeeded', 'failed')),
    reason text NOT NULL,
    message text NOT NULL,
    stalled boolean NOT NULL,
    suspended boolean NOT NULL,
    percentage smallint,
    remaining_seconds bigint,
    metrics jsonb NOT NULL, -- [{"name", "value"}]: the last values, texts
    objective jsonb, -- {"name", "direction"}
    datasets jsonb NOT NULL, -- [{"name", "digest" or null}]; run_dataset has them as rows
    parameters jsonb NOT NULL, -- {name: value}, texts
    gpus integer NOT NULL, -- of all nodes together
    nodes jsonb NOT NULL, -- names
    num_nodes integer NOT NULL,
    gpu_seconds bigint NOT NULL,
    attempt integer NOT NULL,
    restarts integer NOT NULL,
    queue text,
    started_at timestamptz,
    ended_at timestamptz,
    managed_by text, -- Argo CD, Flux or Helm, when one of them owns the object
    document jsonb NOT NULL -- {"spec", "status"} as they stand in the cluster
);
CREATE INDEX training_run_by_time ON projection.training_run (created_at DESC, uid DESC) WHERE deleted_at IS NULL;
CREATE INDEX training_run_by_namespace ON projection.training_run (namespace, created_at DESC, uid DESC)
    WHERE deleted_at IS NULL;
CREATE INDEX training_run_by_name ON projection.training_run (namespace, name, created_at DESC);

-- Lineage: which run reads which data set of its namespace, and which version. Rows go with their run.
CREATE TABLE projection.run_dataset (
    run_uid uuid NOT NULL REFERENCES projection.training_run ON DELETE CASCADE,
    namespace text NOT NULL COLLATE "C",
    dataset text NOT NULL COLLATE "C", -- name of the Dataset
    digest text, -- of the version it was started with; null before that
    PRIMARY KEY (run_uid, dataset)
);
CREATE INDEX run_dataset_by_dataset ON projection.run_dataset (namespace, dataset, run_uid);
CREATE INDEX run_dataset_by_digest ON projection.run_dataset (digest, run_uid);
