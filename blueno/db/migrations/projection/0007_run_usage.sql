-- Wall time of runs: what is counted, and since when the attempt runs that is not. The mirror's next full copy fills them.
ALTER TABLE projection.training_run
    ADD COLUMN wall_seconds bigint NOT NULL DEFAULT 0, -- of attempts that are over
    ADD COLUMN running_since timestamptz; -- while it runs
