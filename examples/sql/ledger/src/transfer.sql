-- Moves an amount from one account to another, and says what is left.
CREATE OR REPLACE PROCEDURE ledger.transfer(source integer, target integer, amount numeric, OUT remaining numeric)
LANGUAGE plpgsql AS $$
DECLARE
    allowed numeric;
    number bigint;
BEGIN
    IF transfer.amount <= 0 THEN
        RAISE EXCEPTION 'an amount of % cannot be transferred', transfer.amount USING ERRCODE = 'LE001';
    END IF;
    -- In the order of the accounts' numbers, so that two transfers never wait for each other.
    PERFORM FROM ledger.accounts WHERE accounts.number IN (source, target) ORDER BY accounts.number FOR UPDATE;
    SELECT overdraft INTO allowed FROM ledger.accounts WHERE accounts.number = source;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no account %', source USING ERRCODE = 'LE002';
    END IF;
    remaining := ledger.balance(source) - transfer.amount;
    IF remaining < -allowed THEN
        RAISE EXCEPTION 'account % lacks % for this transfer', source, -allowed - remaining USING ERRCODE = 'LE003';
    END IF;
    number := nextval('ledger.transfers');
    INSERT INTO ledger.entries (transfer, account, amount)
        VALUES (number, source, -transfer.amount), (number, target, transfer.amount);
END
$$;
