SELECT first_name, last_name, birthday, location_ip, browser, place, gender, creation_date FROM person WHERE id = $1
