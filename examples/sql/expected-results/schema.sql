DROP TABLE IF EXISTS planets;
CREATE TABLE planets (name text PRIMARY KEY, moons integer NOT NULL, ring text);
