-- The working sets: samples that were added one by one and can be sealed into the next version. The recorder reads them
-- from data servers, which have them from the journals on the volumes; it is the only writer of all but working_notice.
--
-- Each working set that holds anything has a table of its own, working_<number>, made like working_sample. A table can be
-- filled bare and indexed afterwards (a million samples in some seconds), made anew beside the one that is read, and
-- dropped at once: docs/adr/0025-working-sets-in-postgresql.md.

-- `revision`: everything up to there is in, of what the data server tells in the order of its numbers.
-- `heard`: the number of working_notice when the data server was last asked.
CREATE TABLE projection.working_set (
    dataset_uid uuid PRIMARY KEY,
    number integer UNIQUE, -- null while it is empty
    revision bigint NOT NULL,
    samples bigint NOT NULL,
    bytes bigint NOT NULL,
    heard bigint NOT NULL DEFAULT 0,
    read_at timestamptz NOT NULL DEFAULT now()
);
CREATE SEQUENCE projection.working_number AS integer;

-- A key of more than 512 characters is cut, because no index entry holds more than 2,704 bytes: `rest` has what was cut
-- off, `tail` the beginning of its sha256. label_sum stands for the label in the same way; 0: no label.
CREATE TABLE projection.working_sample (
    key text NOT NULL COLLATE "C",
    tail bigint NOT NULL,
    seq bigint NOT NULL, -- of the line in the journal that wrote it
    split text COLLATE "C",
    label_sum bigint NOT NULL,
    bytes bigint NOT NULL,
    at timestamptz NOT NULL,
    sha256 bytea NOT NULL,
    rest text,
    label text, -- canonical JSON
    "group" text,
    metadata text, -- canonical JSON
    by text NOT NULL
);

-- How many samples have this split ('' for none) and label; without rows of 0.
CREATE TABLE projection.working_count (
    dataset_uid uuid NOT NULL,
    split text NOT NULL COLLATE "C",
    label_sum bigint NOT NULL,
    label text,
    samples bigint NOT NULL,
    PRIMARY KEY (dataset_uid, split, label_sum)
);

-- Who lets somebody write to a working set notes it here, before (`open` counts those under way) and after (`number`
-- counts those that ended). The recorder reads again while the number is another one than it has heard, and, since who
-- wrote may have died before the note after, while somebody has been writing for too long.
CREATE TABLE projection.working_notice (
    dataset_uid uuid PRIMARY KEY,
    number bigint NOT NULL,
    open integer NOT NULL,
    began_at timestamptz NOT NULL
);

-- Up to where the working set was when a version was sealed, as its manifest says: null when it does not.
ALTER TABLE projection.version ADD COLUMN working bigint GENERATED ALWAYS AS (
    CASE WHEN jsonb_typeof(manifest #> '{source,working,revision}') = 'number'
    THEN greatest(0, least((manifest #>> '{source,working,revision}')::numeric, 9000000000000000000))::bigint END
) STORED;
