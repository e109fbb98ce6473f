WITH latest AS (
  SELECT DISTINCT ON (l.person) l.person, l.creation_date AS liked_at, m.id, m.content, m.creation_date
  FROM message m JOIN likes l ON l.message = m.id
  WHERE m.creator = $1
  ORDER BY l.person, l.creation_date DESC, m.id
)
SELECT p.id, p.first_name, p.last_name, l.liked_at, l.id, l.content,
       trunc(extract(epoch FROM l.liked_at - l.creation_date) / 60)::bigint AS minutes,
       NOT EXISTS (SELECT 1 FROM knows k WHERE k.person = $1 AND k.friend = p.id) AS is_new
FROM latest l JOIN person p ON p.id = l.person
ORDER BY l.liked_at DESC, p.id
LIMIT 20
