-- Commits after each job, so that it cannot be tested inside of a transaction.
CREATE OR REPLACE PROCEDURE work_off(first integer, last integer)
LANGUAGE plpgsql AS $$
DECLARE
    job integer;
BEGIN
    FOR job IN SELECT number FROM jobs WHERE number BETWEEN first AND last AND state = 'waiting' ORDER BY number LOOP
        UPDATE jobs SET state = 'done' WHERE number = job;
        COMMIT;
    END LOOP;
END
$$;
