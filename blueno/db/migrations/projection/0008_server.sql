-- Which server, in which of its lives, wrote the row last. Another one now: a standby has taken over or a copy was restored,
-- and what was written last may be missing.
ALTER TABLE projection.stream ADD COLUMN server text;
