SELECT creation_date, content FROM message WHERE id = $1
