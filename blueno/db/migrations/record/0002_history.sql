-- When an object's reasons changed; the mirror appends in the batch that writes the object.
CREATE TABLE record.history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    uid uuid NOT NULL,
    namespace text NOT NULL,
    name text NOT NULL,
    at timestamptz NOT NULL,
    condition text NOT NULL, -- Ready, or Deleted
    status text NOT NULL,
    reason text NOT NULL,
    message text NOT NULL
);
CREATE INDEX history_by_object ON record.history (uid, id DESC);
