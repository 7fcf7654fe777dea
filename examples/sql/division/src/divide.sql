CREATE PROCEDURE divide(dividend numeric, divisor numeric, INOUT quotient numeric DEFAULT NULL)
LANGUAGE plpgsql AS $$
BEGIN
    quotient := dividend / divisor;
END
$$;
