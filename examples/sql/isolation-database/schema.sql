DROP TABLE IF EXISTS jobs;
CREATE TABLE jobs (number integer PRIMARY KEY, state text NOT NULL DEFAULT 'waiting');
INSERT INTO jobs SELECT generate_series(1, 10);
