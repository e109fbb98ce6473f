WITH friends AS (
  SELECT friend FROM knows WHERE person = $1
  UNION
  SELECT second.friend FROM knows first JOIN knows second ON second.person = first.friend WHERE first.person = $1
)
SELECT p.id, p.first_name, p.last_name, o.name, w.work_from
FROM friends f
JOIN person p ON p.id = f.friend
JOIN work w ON w.person = p.id
JOIN organisation o ON o.id = w.company
JOIN place ON place.id = o.place
WHERE p.id <> $1 AND place.name = $2 AND w.work_from < $3 AND o.type = 'company'
ORDER BY w.work_from, p.id, o.name DESC
LIMIT 10
