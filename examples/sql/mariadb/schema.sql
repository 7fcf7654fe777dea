DROP TABLE IF EXISTS stock;
CREATE TABLE stock (item VARCHAR(20) PRIMARY KEY, quantity INT NOT NULL);
INSERT INTO stock VALUES ('bolt', 10), ('nut', 0);
