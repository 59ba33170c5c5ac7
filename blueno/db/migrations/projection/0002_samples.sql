-- What the sealed versions hold. The recorder is the only writer of the tables in this file.
-- A version never changes once it is loaded, so that positions and counts are stored, not computed.

CREATE TABLE projection.version (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset_uid uuid NOT NULL,
    digest text NOT NULL, -- 64 hexadecimal digits
    sequence integer NOT NULL,
    sealed_at timestamptz NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now(),
    samples bigint NOT NULL,
    bytes bigint NOT NULL,
    manifest jsonb NOT NULL, -- without its list of shards
    UNIQUE (dataset_uid, digest)
);

-- Splits are runs of idx: [first, first + samples).
CREATE TABLE projection.split (
    version_id integer NOT NULL,
    split_id smallint NOT NULL, -- in the manifest's order
    name text NOT NULL,
    first integer NOT NULL,
    samples integer NOT NULL,
    PRIMARY KEY (version_id, split_id)
);

-- `starts[b]` (from 1) is how many samples with idx < (b - 1) * 8192 have the label; null for labels so rare that
-- counting their index entries is as fast. label_id 0 stands for samples without a label (label is null).
CREATE TABLE projection.label (
    version_id integer NOT NULL,
    label_id integer NOT NULL,
    label text, -- canonical JSON
    samples integer NOT NULL,
    starts integer[],
    PRIMARY KEY (version_id, label_id)
);
CREATE INDEX label_by_size ON projection.label (version_id, samples DESC, label_id);
CREATE INDEX label_by_text ON projection.label USING hash (label);

CREATE TABLE projection.facet (
    version_id integer NOT NULL,
    split_id smallint NOT NULL,
    label_id integer NOT NULL,
    samples integer NOT NULL,
    PRIMARY KEY (version_id, split_id, label_id)
);

-- One partition a version, made, filled, indexed and attached in one transaction: sample_<version_id> with the indexes
-- (idx) unique, (label_id, idx), (split_id, key). idx is the dense rank in (split, key) order; row is the sample's row
-- in index.arrow, by which the data server finds it.
CREATE TABLE projection.sample (
    version_id integer NOT NULL,
    idx integer NOT NULL,
    row integer NOT NULL,
    label_id integer NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    depth integer NOT NULL,
    bytes bigint NOT NULL,
    split_id smallint NOT NULL,
    channels smallint NOT NULL,
    key text NOT NULL COLLATE "C",
    dtype text NOT NULL,
    format text NOT NULL,
    sha256 bytea NOT NULL,
    "group" text,
    metadata text -- canonical JSON
) PARTITION BY LIST (version_id);
