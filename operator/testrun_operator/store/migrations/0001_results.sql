-- The three tables of NoETL's regression framework, created or adopted, and two of our own.
--
-- Where NoETL's own script made its tables, their rows and columns stay as they are, and ours are added at the end.
-- That script drops its tables when it is run again; the operator notices missing columns and runs this file again.
-- So every statement here has to be one that may be run twice.
--
-- One column per line: docs/reference/tables.md is generated from this text.

CREATE TABLE IF NOT EXISTS {schema}.regression_results (
    test_run_id BIGINT NOT NULL,
    test_timestamp TIMESTAMP NOT NULL DEFAULT NOW(),
    playbook_name VARCHAR(255) NOT NULL,
    playbook_path VARCHAR(500) NOT NULL,
    category VARCHAR(100),
    execution_id BIGINT,
    status VARCHAR(50) NOT NULL,
    execution_time_ms INTEGER,
    step_count INTEGER,
    error_message TEXT,
    validation_passed BOOLEAN,
    validation_errors JSONB,
    expected_status VARCHAR(50),
    actual_events JSONB,
    test_passed BOOLEAN NOT NULL,
    PRIMARY KEY (test_run_id, playbook_name)
);

ALTER TABLE {schema}.regression_results
    ADD COLUMN IF NOT EXISTS verdict TEXT,
    ADD COLUMN IF NOT EXISTS failure_class TEXT,
    ADD COLUMN IF NOT EXISTS reason TEXT,
    ADD COLUMN IF NOT EXISTS flaky BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN IF NOT EXISTS kind TEXT,
    ADD COLUMN IF NOT EXISTS attempts INTEGER,
    ADD COLUMN IF NOT EXISTS started_at TIMESTAMPTZ,
    ADD COLUMN IF NOT EXISTS finished_at TIMESTAMPTZ;

CREATE INDEX IF NOT EXISTS regression_results_by_time
    ON {schema}.regression_results (test_timestamp DESC);
CREATE INDEX IF NOT EXISTS regression_results_not_passed
    ON {schema}.regression_results (test_timestamp DESC) WHERE NOT test_passed;
CREATE INDEX IF NOT EXISTS regression_results_of_case
    ON {schema}.regression_results (playbook_name, test_timestamp DESC);

COMMENT ON TABLE {schema}.regression_results IS
    'One row per case of an execution, with the verdict of its last attempt. A skipped case has no row.';
COMMENT ON COLUMN {schema}.regression_results.test_run_id IS
    'The execution: status.runId of the TestRun.';
COMMENT ON COLUMN {schema}.regression_results.test_timestamp IS
    'When the case ended, in UTC.';
COMMENT ON COLUMN {schema}.regression_results.playbook_name IS
    'Name of the case, for every kind of case.';
COMMENT ON COLUMN {schema}.regression_results.playbook_path IS
    'What the case is about: method and path of a request, an image, or the path of a playbook.';
COMMENT ON COLUMN {schema}.regression_results.category IS
    'Category of the case.';
COMMENT ON COLUMN {schema}.regression_results.execution_id IS
    'Execution of a NoETL playbook; NULL for other kinds of cases.';
COMMENT ON COLUMN {schema}.regression_results.status IS
    'COMPLETED (Passed), FAILED (Failed), ERROR (Errored), TIMEOUT (TimedOut) or CANCELLED (Cancelled); of a playbook that passed or failed, how its execution ended.';
COMMENT ON COLUMN {schema}.regression_results.execution_time_ms IS
    'How long the last attempt took, in milliseconds, without the start of its pod.';
COMMENT ON COLUMN {schema}.regression_results.step_count IS
    'Requests, pages or events of the last attempt.';
COMMENT ON COLUMN {schema}.regression_results.error_message IS
    'Why the case did not pass; NULL where it passed.';
COMMENT ON COLUMN {schema}.regression_results.validation_passed IS
    'Whether every check of the last attempt held; NULL where there were none, or they could not be finished.';
COMMENT ON COLUMN {schema}.regression_results.validation_errors IS
    'The checks of the last attempt that did not hold, at most 100; all of them are in regression_details.';
COMMENT ON COLUMN {schema}.regression_results.expected_status IS
    'The baseline that was enforced, expected_results.expected_status at that time; else how a playbook had to end.';
COMMENT ON COLUMN {schema}.regression_results.actual_events IS
    'Of a NoETL playbook, an object: status, inferred, counts by type, the last events, page. NULL for other kinds.';
COMMENT ON COLUMN {schema}.regression_results.test_passed IS
    'Whether the verdict is Passed.';
COMMENT ON COLUMN {schema}.regression_results.verdict IS
    'Passed, Failed, Errored, TimedOut or Cancelled. NULL in rows that were not written by this operator.';
COMMENT ON COLUMN {schema}.regression_results.failure_class IS
    'Where to look for the cause: Test, Infrastructure, Configuration or Dependency; NULL where it passed.';
COMMENT ON COLUMN {schema}.regression_results.reason IS
    'Why, as one word of the published list of reasons.';
COMMENT ON COLUMN {schema}.regression_results.flaky IS
    'Whether it passed only after an attempt that failed or timed out.';
COMMENT ON COLUMN {schema}.regression_results.kind IS
    'Kind of the case: http or container.';
COMMENT ON COLUMN {schema}.regression_results.attempts IS
    'How many attempts there were; 0 for a case that ended before its first.';
COMMENT ON COLUMN {schema}.regression_results.started_at IS
    'When the first attempt started.';
COMMENT ON COLUMN {schema}.regression_results.finished_at IS
    'When the last attempt ended.';

CREATE TABLE IF NOT EXISTS {schema}.regression_summary (
    test_run_id BIGINT PRIMARY KEY,
    test_timestamp TIMESTAMP NOT NULL DEFAULT NOW(),
    total_tests INTEGER NOT NULL,
    passed_tests INTEGER NOT NULL,
    failed_tests INTEGER NOT NULL,
    skipped_tests INTEGER NOT NULL,
    total_execution_time_ms INTEGER,
    success_rate DECIMAL(5,2),
    categories_tested TEXT[],
    git_commit VARCHAR(100),
    test_config JSONB
);

ALTER TABLE {schema}.regression_summary
    ADD COLUMN IF NOT EXISTS namespace TEXT,
    ADD COLUMN IF NOT EXISTS run_name TEXT,
    ADD COLUMN IF NOT EXISTS suite TEXT,
    ADD COLUMN IF NOT EXISTS phase TEXT,
    ADD COLUMN IF NOT EXISTS errored_tests INTEGER,
    ADD COLUMN IF NOT EXISTS timed_out_tests INTEGER,
    ADD COLUMN IF NOT EXISTS cancelled_tests INTEGER,
    ADD COLUMN IF NOT EXISTS flaky_tests INTEGER,
    ADD COLUMN IF NOT EXISTS started_at TIMESTAMPTZ,
    ADD COLUMN IF NOT EXISTS finished_at TIMESTAMPTZ;

CREATE INDEX IF NOT EXISTS regression_summary_by_time
    ON {schema}.regression_summary (test_timestamp DESC);
CREATE INDEX IF NOT EXISTS regression_summary_of_run
    ON {schema}.regression_summary (namespace, run_name, test_timestamp DESC);

COMMENT ON TABLE {schema}.regression_summary IS
    'One row per execution of a TestRun, written when it is over and after the rows of all its cases.';
COMMENT ON COLUMN {schema}.regression_summary.test_run_id IS
    'The execution: status.runId of the TestRun.';
COMMENT ON COLUMN {schema}.regression_summary.test_timestamp IS
    'When the execution ended, in UTC.';
COMMENT ON COLUMN {schema}.regression_summary.total_tests IS
    'passed_tests + failed_tests + skipped_tests.';
COMMENT ON COLUMN {schema}.regression_summary.passed_tests IS
    'Cases that passed, flaky ones included.';
COMMENT ON COLUMN {schema}.regression_summary.failed_tests IS
    'Cases that failed, errored, timed out or were cancelled.';
COMMENT ON COLUMN {schema}.regression_summary.skipped_tests IS
    'Cases that were not executed.';
COMMENT ON COLUMN {schema}.regression_summary.total_execution_time_ms IS
    'From the start of the execution to its end, in milliseconds.';
COMMENT ON COLUMN {schema}.regression_summary.success_rate IS
    'passed_tests of passed_tests + failed_tests, in per cent; NULL where nothing was executed.';
COMMENT ON COLUMN {schema}.regression_summary.categories_tested IS
    'Categories of the executed cases, sorted.';
COMMENT ON COLUMN {schema}.regression_summary.git_commit IS
    'spec.revision of the TestRun.';
COMMENT ON COLUMN {schema}.regression_summary.test_config IS
    'What was asked for: variables, selection, parallelism.';
COMMENT ON COLUMN {schema}.regression_summary.namespace IS
    'Namespace of the TestRun. NULL in rows that were not written by this operator.';
COMMENT ON COLUMN {schema}.regression_summary.run_name IS
    'Name of the TestRun.';
COMMENT ON COLUMN {schema}.regression_summary.suite IS
    'Name of the TestSuite; of the TestRun, where it has the suite in itself.';
COMMENT ON COLUMN {schema}.regression_summary.phase IS
    'Passed, Failed, Errored or Cancelled.';
COMMENT ON COLUMN {schema}.regression_summary.errored_tests IS
    'Of failed_tests: those that could not be judged.';
COMMENT ON COLUMN {schema}.regression_summary.timed_out_tests IS
    'Of failed_tests: those that were not finished in time.';
COMMENT ON COLUMN {schema}.regression_summary.cancelled_tests IS
    'Of failed_tests: those that were cancelled with the run.';
COMMENT ON COLUMN {schema}.regression_summary.flaky_tests IS
    'Of passed_tests: those that needed a retry.';
COMMENT ON COLUMN {schema}.regression_summary.started_at IS
    'When the execution started.';
COMMENT ON COLUMN {schema}.regression_summary.finished_at IS
    'When the execution ended.';

CREATE TABLE IF NOT EXISTS {schema}.expected_results (
    playbook_name VARCHAR(255) PRIMARY KEY,
    expected_status VARCHAR(50),
    min_events INTEGER,
    max_duration_ms INTEGER
);

ALTER TABLE {schema}.expected_results
    ADD COLUMN IF NOT EXISTS expected_status VARCHAR(50),
    ADD COLUMN IF NOT EXISTS min_events INTEGER,
    ADD COLUMN IF NOT EXISTS max_duration_ms INTEGER,
    ADD COLUMN IF NOT EXISTS note TEXT,
    ADD COLUMN IF NOT EXISTS updated_at TIMESTAMPTZ NOT NULL DEFAULT now();

-- NoETL's own table demands a playbook_path and an expected_status. A baseline of ours needs only a name.
DO $$
DECLARE
    demanded name;
BEGIN
    FOR demanded IN
        SELECT attname FROM pg_attribute
        WHERE attrelid = '{schema}.expected_results'::regclass
          AND attnum > 0 AND NOT attisdropped AND attnotnull AND NOT atthasdef AND attidentity = ''
          AND attname <> 'playbook_name'
    LOOP
        EXECUTE format('ALTER TABLE {schema}.expected_results ALTER COLUMN %I DROP NOT NULL', demanded);
    END LOOP;
END
$$;

COMMENT ON TABLE {schema}.expected_results IS
    'Baselines that people write and the operator enforces: what a case has to keep to. The operator only reads it.';
COMMENT ON COLUMN {schema}.expected_results.playbook_name IS
    'Name of the case, in whichever suite and namespace.';
COMMENT ON COLUMN {schema}.expected_results.expected_status IS
    'How a playbook has to end; COMPLETED for other cases that have to pass, which any other value makes fail; NULL demands nothing.';
COMMENT ON COLUMN {schema}.expected_results.min_events IS
    'Least number of steps: requests, pages or events; NULL demands nothing.';
COMMENT ON COLUMN {schema}.expected_results.max_duration_ms IS
    'Longest duration in milliseconds; NULL demands nothing.';
COMMENT ON COLUMN {schema}.expected_results.note IS
    'Why the baseline is as it is, for people.';
COMMENT ON COLUMN {schema}.expected_results.updated_at IS
    'When the row was written; whoever updates it sets this, too.';

CREATE TABLE IF NOT EXISTS {schema}.regression_attempts (
    test_run_id BIGINT NOT NULL,
    playbook_name VARCHAR(255) NOT NULL,
    attempt INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    failure_class TEXT,
    reason TEXT NOT NULL,
    message TEXT NOT NULL,
    job TEXT NOT NULL,
    pod TEXT,
    node TEXT,
    pod_reason TEXT,
    exit_code INTEGER,
    started_at TIMESTAMPTZ,
    finished_at TIMESTAMPTZ,
    duration_ms INTEGER,
    step_count INTEGER,
    log_tail TEXT,
    PRIMARY KEY (test_run_id, playbook_name, attempt)
);

COMMENT ON TABLE {schema}.regression_attempts IS
    'One row per attempt of a case, that is, per Job, with the evidence taken before anything was deleted.';
COMMENT ON COLUMN {schema}.regression_attempts.test_run_id IS
    'The execution: status.runId of the TestRun.';
COMMENT ON COLUMN {schema}.regression_attempts.playbook_name IS
    'Name of the case.';
COMMENT ON COLUMN {schema}.regression_attempts.attempt IS
    'Number of the attempt, from 1.';
COMMENT ON COLUMN {schema}.regression_attempts.verdict IS
    'Passed, Failed, Errored, TimedOut or Cancelled.';
COMMENT ON COLUMN {schema}.regression_attempts.failure_class IS
    'Where to look for the cause: Test, Infrastructure, Configuration or Dependency; NULL where it passed.';
COMMENT ON COLUMN {schema}.regression_attempts.reason IS
    'Why, as one word of the published list of reasons.';
COMMENT ON COLUMN {schema}.regression_attempts.message IS
    'Why, for people.';
COMMENT ON COLUMN {schema}.regression_attempts.job IS
    'Name of the Job.';
COMMENT ON COLUMN {schema}.regression_attempts.pod IS
    'Name of the pod, if there was one.';
COMMENT ON COLUMN {schema}.regression_attempts.node IS
    'Name of the node on which the pod was.';
COMMENT ON COLUMN {schema}.regression_attempts.pod_reason IS
    'What Kubernetes says of the pod or its container, for instance OOMKilled.';
COMMENT ON COLUMN {schema}.regression_attempts.exit_code IS
    'Exit code of the container; 128 + n for signal n.';
COMMENT ON COLUMN {schema}.regression_attempts.started_at IS
    'When the container started; NULL if it never did.';
COMMENT ON COLUMN {schema}.regression_attempts.finished_at IS
    'When the attempt ended.';
COMMENT ON COLUMN {schema}.regression_attempts.duration_ms IS
    'How long it took, in milliseconds, without the start of the pod.';
COMMENT ON COLUMN {schema}.regression_attempts.step_count IS
    'Requests, pages or events.';
COMMENT ON COLUMN {schema}.regression_attempts.log_tail IS
    'The last lines of the container''s log.';

CREATE TABLE IF NOT EXISTS {schema}.regression_details (
    test_run_id BIGINT NOT NULL,
    playbook_name VARCHAR(255) NOT NULL,
    attempt INTEGER NOT NULL,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    passed BOOLEAN NOT NULL,
    expected TEXT NOT NULL,
    actual TEXT NOT NULL,
    message TEXT NOT NULL,
    location TEXT NOT NULL,
    duration_ms INTEGER,
    PRIMARY KEY (test_run_id, playbook_name, attempt, position),
    FOREIGN KEY (test_run_id, playbook_name, attempt) REFERENCES {schema}.regression_attempts ON DELETE CASCADE
);

COMMENT ON TABLE {schema}.regression_details IS
    'One row per check, page or repeated request of an attempt. Goes away with its row in regression_attempts.';
COMMENT ON COLUMN {schema}.regression_details.test_run_id IS
    'The execution: status.runId of the TestRun.';
COMMENT ON COLUMN {schema}.regression_details.playbook_name IS
    'Name of the case.';
COMMENT ON COLUMN {schema}.regression_details.attempt IS
    'Number of the attempt, from 1.';
COMMENT ON COLUMN {schema}.regression_details.position IS
    'Place in the report, from 1.';
COMMENT ON COLUMN {schema}.regression_details.kind IS
    'What it is about: assertion, page or request.';
COMMENT ON COLUMN {schema}.regression_details.name IS
    'Which one, for instance status, items or page 2.';
COMMENT ON COLUMN {schema}.regression_details.passed IS
    'Whether it was as expected.';
COMMENT ON COLUMN {schema}.regression_details.expected IS
    'What was expected.';
COMMENT ON COLUMN {schema}.regression_details.actual IS
    'What came.';
COMMENT ON COLUMN {schema}.regression_details.message IS
    'Why it was not as expected, for people.';
COMMENT ON COLUMN {schema}.regression_details.location IS
    'Where: the page and address, or a file and line.';
COMMENT ON COLUMN {schema}.regression_details.duration_ms IS
    'How long it took, in milliseconds.';
