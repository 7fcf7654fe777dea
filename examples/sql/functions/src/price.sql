CREATE FUNCTION shop.price(net numeric, rate numeric DEFAULT 0.2) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$ SELECT round(net * (1 + rate), 2) $$;

CREATE FUNCTION shop.price(net numeric, country text) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN CASE country
        WHEN 'CH' THEN shop.price(net, 0.081)
        WHEN 'DE' THEN shop.price(net, 0.19)
    END;
END
$$;

CREATE FUNCTION shop.discounts(threshold integer) RETURNS TABLE (quantity integer, percent integer)
LANGUAGE sql IMMUTABLE AS $$
    SELECT * FROM (VALUES (10, 5), (100, 10), (1000, 15)) AS all_of_them (quantity, percent)
    WHERE all_of_them.quantity >= threshold ORDER BY 1
$$;
