DROP TABLE IF EXISTS cities;
CREATE TABLE cities (name text PRIMARY KEY, population integer, founded date);
