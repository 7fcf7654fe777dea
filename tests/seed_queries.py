"""The queries that people bring along from NoETL's framework, word for word, and the columns that they rely on."""

from typing import Final

LATEST_RESULTS: Final = (
    "SELECT test_run_id, playbook_name, test_passed, status, step_count, execution_id "
    "FROM noetl_test.regression_results ORDER BY test_timestamp DESC LIMIT 20;"
)
LATEST_RUNS: Final = (
    "SELECT test_run_id, total_tests, passed_tests, failed_tests, success_rate, test_timestamp "
    "FROM noetl_test.regression_summary ORDER BY test_timestamp DESC LIMIT 10;"
)
FAILURES: Final = (
    "SELECT playbook_name, status, execution_id, error_message, test_timestamp "
    "FROM noetl_test.regression_results WHERE test_passed = false ORDER BY test_timestamp DESC;"
)
LAST_TWO_RUNS: Final = (
    "SELECT test_run_id, playbook_name, test_passed, status, step_count FROM noetl_test.regression_results "
    "WHERE test_run_id IN (SELECT test_run_id FROM noetl_test.regression_summary ORDER BY test_timestamp DESC LIMIT 2) "
    "ORDER BY test_run_id DESC, playbook_name;"
)
COUNT_FAILURES: Final = "SELECT COUNT(*) FROM noetl_test.regression_results WHERE test_passed = false;"
INSERT_BASELINES: Final = (
    "INSERT INTO noetl_test.expected_results (playbook_name, expected_status, min_events, max_duration_ms) "
    "VALUES ('hello_world', 'COMPLETED', 3, 1000), ('test_vars_simple', 'COMPLETED', 2, 500);"
)

READING: Final = {
    "latest results": LATEST_RESULTS,
    "latest runs": LATEST_RUNS,
    "failures": FAILURES,
    "last two runs": LAST_TWO_RUNS,
    "count of failures": COUNT_FAILURES,
}
"""All that read, by name."""

RESULTS_COLUMNS: Final = (
    "test_run_id BIGINT NOT NULL, test_timestamp TIMESTAMP NOT NULL DEFAULT NOW(), "
    "playbook_name VARCHAR(255) NOT NULL, playbook_path VARCHAR(500) NOT NULL, category VARCHAR(100), "
    "execution_id BIGINT, status VARCHAR(50) NOT NULL, execution_time_ms INTEGER, step_count INTEGER, "
    "error_message TEXT, validation_passed BOOLEAN, validation_errors JSONB, expected_status VARCHAR(50), "
    "actual_events JSONB, test_passed BOOLEAN NOT NULL, PRIMARY KEY (test_run_id, playbook_name)"
)
SUMMARY_COLUMNS: Final = (
    "test_run_id BIGINT PRIMARY KEY, test_timestamp TIMESTAMP NOT NULL DEFAULT NOW(), total_tests INTEGER NOT NULL, "
    "passed_tests INTEGER NOT NULL, failed_tests INTEGER NOT NULL, skipped_tests INTEGER NOT NULL, "
    "total_execution_time_ms INTEGER, success_rate DECIMAL(5,2), categories_tested TEXT[], "
    "git_commit VARCHAR(100), test_config JSONB"
)
BASELINE_COLUMNS: Final = ("playbook_name", "expected_status", "min_events", "max_duration_ms")
