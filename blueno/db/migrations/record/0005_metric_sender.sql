-- Up to which moment the points of one reporting process are stored: times of a process rise, so what it sends again after
-- the operator has forgotten it is known by its time. Written in the transaction that stores the points.
CREATE TABLE record.metric_sender (
    run_uid uuid NOT NULL,
    sender text NOT NULL, -- random, new for each process
    until timestamptz NOT NULL,
    PRIMARY KEY (run_uid, sender)
);
