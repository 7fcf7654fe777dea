CREATE OR REPLACE FUNCTION letter(recipient text, lines integer) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT 'Dear ' || recipient || E',\n'
        || string_agg('this is line ' || n || ' of a long letter.', E'\n' ORDER BY n)
        || E'\n'
    FROM generate_series(1, lines) AS n
$$;
