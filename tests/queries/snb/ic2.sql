SELECT p.id, p.first_name, p.last_name, m.id, m.content, m.creation_date
FROM knows k JOIN person p ON p.id = k.friend JOIN message m ON m.creator = p.id
WHERE k.person = $1 AND m.creation_date < $2
ORDER BY m.creation_date DESC, m.id
LIMIT 20
