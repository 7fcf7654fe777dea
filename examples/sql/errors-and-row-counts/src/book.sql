CREATE OR REPLACE PROCEDURE book(seat integer, passenger text)
LANGUAGE plpgsql AS $$
BEGIN
    IF seat NOT BETWEEN 1 AND 4 THEN
        RAISE EXCEPTION 'there is no seat %', seat USING ERRCODE = 'UB001';
    END IF;
    INSERT INTO bookings VALUES (seat, passenger);
END
$$;
