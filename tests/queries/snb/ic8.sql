SELECT author.id, author.first_name, author.last_name, c.creation_date, c.id, c.content
FROM message m JOIN message c ON c.reply_of = m.id JOIN person author ON author.id = c.creator
WHERE m.creator = $1
ORDER BY c.creation_date DESC, c.id
LIMIT 20
