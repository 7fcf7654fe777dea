DROP PROCEDURE IF EXISTS take;
DELIMITER //
CREATE PROCEDURE take(IN wanted VARCHAR(20), IN amount INT, OUT remaining INT)
BEGIN
    IF amount > (SELECT quantity FROM stock WHERE item = wanted) THEN
        SIGNAL SQLSTATE '45001' SET MESSAGE_TEXT = 'not enough in stock';
    END IF;
    UPDATE stock SET quantity = quantity - amount WHERE item = wanted;
    SELECT quantity INTO remaining FROM stock WHERE item = wanted;
END //
DELIMITER ;
