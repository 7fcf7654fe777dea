DROP TABLE IF EXISTS bookings;
CREATE TABLE bookings (seat integer PRIMARY KEY, passenger text NOT NULL);
