-- What the sealed versions hold. The recorder is the only writer of the tables in this file.
-- A version never changes once it is loaded, so that positions and counts are stored, not computed.
--
-- How a page is found (blueno/db/samples.py). Samples get idx = dense rank in the order of (split as the manifest lists
-- them, key by its bytes). So a split is a range of idx, a key prefix is a range in each split, and page k of either is
-- `idx >= a`. With a label, `marks` of the label say where every step-th of its samples lies: a rank becomes an idx, and
-- an idx a rank, by a look into that array and at most `step` entries of the index (label_id, idx). Counts are
-- differences of ranks: exact, and never counted by reading rows.

CREATE TABLE projection.version (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset_uid uuid NOT NULL,
    digest text NOT NULL, -- 64 hexadecimal digits
    sequence integer NOT NULL,
    sealed_at timestamptz NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now(),
    samples integer NOT NULL,
    bytes bigint NOT NULL,
    in_order boolean NOT NULL, -- row = idx for every sample; else the partition has an index on row
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

-- Every 64th key of each split, cut to 512 characters: where to begin looking for a prefix.
CREATE TABLE projection.key_mark (
    version_id integer NOT NULL,
    split_id smallint NOT NULL,
    key text NOT NULL COLLATE "C",
    idx integer NOT NULL,
    PRIMARY KEY (version_id, split_id, key, idx)
);

-- label_id 0 stands for samples without a label (label is null). marks[1 + r / step] is the idx of the label's sample of
-- rank r, for each r that step divides. step is the smallest power of two from 128 on that leaves at most 4096 marks.
CREATE TABLE projection.label (
    version_id integer NOT NULL,
    label_id integer NOT NULL,
    label text, -- canonical JSON
    samples integer NOT NULL,
    step integer NOT NULL,
    marks integer[] NOT NULL,
    PRIMARY KEY (version_id, label_id)
);
CREATE INDEX label_by_size ON projection.label (version_id, samples DESC, label_id);
CREATE INDEX label_by_text ON projection.label (version_id, left(label, 256)); -- a whole one may exceed a page

CREATE TABLE projection.facet (
    version_id integer NOT NULL,
    split_id smallint NOT NULL,
    label_id integer NOT NULL,
    samples integer NOT NULL,
    PRIMARY KEY (version_id, split_id, label_id)
);
CREATE INDEX facet_by_size ON projection.facet (version_id, split_id, samples DESC, label_id);

-- One partition a version, made, filled, indexed and attached in one transaction: sample_<version_id> with the indexes
-- (idx) unique and (label_id, idx), the latter only when there is more than one label. row is the sample's row in
-- index.arrow, by which the data server finds it.
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
    sha256 bytea NOT NULL,
    key text NOT NULL COLLATE "C",
    dtype text NOT NULL,
    format text NOT NULL,
    "group" text,
    metadata text -- canonical JSON
) PARTITION BY LIST (version_id);
