-- What is on an account; NULL where there is no such account.
CREATE OR REPLACE FUNCTION ledger.balance(account integer) RETURNS numeric
LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(entries.amount), 0)
    FROM ledger.accounts LEFT JOIN ledger.entries ON entries.account = accounts.number
    WHERE accounts.number = balance.account
    GROUP BY accounts.number
$$;
