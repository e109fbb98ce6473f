WITH friends AS (
  SELECT friend FROM knows WHERE person = $1
  UNION
  SELECT second.friend FROM knows first JOIN knows second ON second.person = first.friend WHERE first.person = $1
)
SELECT p.id, p.first_name, p.last_name, m.id, m.content, m.creation_date
FROM friends f JOIN person p ON p.id = f.friend JOIN message m ON m.creator = p.id
WHERE p.id <> $1 AND m.creation_date < $2
ORDER BY m.creation_date DESC, m.id
LIMIT 20
