CREATE OR REPLACE PROCEDURE transfer(sender text, recipient text, amount integer)
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE accounts SET balance = balance - amount WHERE owner = sender;
    UPDATE accounts SET balance = balance + amount WHERE owner = recipient;
END
$$;
