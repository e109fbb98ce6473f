SELECT c.id, c.content, c.creation_date, p.id, p.first_name, p.last_name,
       EXISTS (SELECT 1 FROM knows k WHERE k.person = m.creator AND k.friend = p.id) AS knows_author
FROM message m JOIN message c ON c.reply_of = m.id JOIN person p ON p.id = c.creator
WHERE m.id = $1
ORDER BY c.creation_date DESC, p.id
