-- Two indexes that each fire paid for, 70 bytes of write-ahead log each, and hardly anybody read. What a node holds is sought when it is
-- lost, or looks for what it claimed itself; tallies are folded all at once. Both tables are small: they are read as a whole.

DROP INDEX open_runs_held;
ALTER TABLE job_tallies DROP CONSTRAINT job_tallies_pkey;
