-- What comes into `open_runs` is held against closed accounts by a statement that is planned anew each time (EXECUTE). A session used to
-- keep the plan that it made while the month's partition was empty; there an index by `due_at` alone looked as good as the one that
-- has the job in it, and the first burst of a month read, for each run, every account of that instant: 10,000 runs took 5 to 11 s.

CREATE OR REPLACE FUNCTION open_runs_begin_new() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    refused text;
BEGIN
    IF EXISTS (SELECT 1 FROM fresh n, ledger_state s WHERE n.due_at < s.sealed_until) THEN
        refused := 'ledger: this day is sealed';
    ELSIF EXISTS (SELECT 1 FROM fresh n LEFT JOIN jobs j ON j.job_id = n.job_id WHERE j.job_id IS NULL) THEN
        refused := 'ledger: nobody knows this job';
    ELSIF EXISTS (SELECT 1 FROM fresh n
                  CROSS JOIN LATERAL (SELECT g.first_at FROM job_run_ranges g WHERE g.job_id = n.job_id AND g.last_at >= n.fire_at
                                      ORDER BY g.last_at LIMIT 1) g
                  WHERE g.first_at <= n.fire_at) THEN
        refused := 'ledger: this fire time is accounted for already';
    ELSE
        EXECUTE 'SELECT CASE
            WHEN EXISTS (SELECT 1 FROM fresh n CROSS JOIN LATERAL
                         (SELECT 1 FROM job_runs r WHERE r.run_id = n.run_id AND r.due_at = n.due_at LIMIT 1) r)
            THEN ''ledger: this run is closed''
            WHEN EXISTS (SELECT 1 FROM fresh n CROSS JOIN LATERAL
                         (SELECT 1 FROM job_runs r WHERE r.job_id = n.job_id AND r.due_at = n.fire_at AND r.fire_at = n.fire_at LIMIT 1) r)
            THEN ''ledger: this fire time is accounted for already'' END' INTO refused;
    END IF;
    IF refused IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = refused;
    END IF;
    RETURN NULL;
END $$;
