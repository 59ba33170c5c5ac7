-- For which current version the recorder has last compared what a data server lists with what is loaded here: every
-- version listed then is loaded. Without it, a recorder that is killed after the current version would never know that
-- older ones are missing. The recorder is the only writer.
CREATE TABLE projection.listing (
    dataset_uid uuid PRIMARY KEY,
    digest text NOT NULL, -- 64 hexadecimal digits
    listed_at timestamptz NOT NULL DEFAULT now()
);
