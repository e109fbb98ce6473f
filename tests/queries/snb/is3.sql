SELECT p.id, p.first_name, p.last_name, k.creation_date
FROM knows k JOIN person p ON p.id = k.friend
WHERE k.person = $1
ORDER BY k.creation_date DESC, p.id
