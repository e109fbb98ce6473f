SELECT p.id, p.first_name, p.last_name FROM message m JOIN person p ON p.id = m.creator WHERE m.id = $1
