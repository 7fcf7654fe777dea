-- What cases of kind sql brought: tests that were left out have their rows too, and there are more kinds of details.

ALTER TABLE {schema}.regression_details
    ADD COLUMN IF NOT EXISTS skipped BOOLEAN NOT NULL DEFAULT FALSE;

COMMENT ON COLUMN {schema}.regression_results.playbook_path IS
    'What the case is about: method and path of a request, where test files come from, an image, or the path of a playbook.';
COMMENT ON COLUMN {schema}.regression_results.step_count IS
    'Requests, pages, tests or events of the last attempt.';
COMMENT ON COLUMN {schema}.regression_results.kind IS
    'Kind of the case: http, sql, playbook or container.';
COMMENT ON COLUMN {schema}.regression_attempts.step_count IS
    'Requests, pages, tests or events.';
COMMENT ON TABLE {schema}.regression_details IS
    'One row per check, page, repeated request or test of an attempt. Goes away with its row in regression_attempts.';
COMMENT ON COLUMN {schema}.regression_details.kind IS
    'What it is about: assertion, page, request, test, row, result, fixture, file or source.';
COMMENT ON COLUMN {schema}.regression_details.name IS
    'Which one, for instance status, items, page 2 or the name of a test.';
COMMENT ON COLUMN {schema}.regression_details.passed IS
    'Whether it was as expected, or was left out on purpose.';
COMMENT ON COLUMN {schema}.regression_details.location IS
    'Where: the page and address, or file:line.';
COMMENT ON COLUMN {schema}.regression_details.skipped IS
    'Whether it was not run; the message says why.';
