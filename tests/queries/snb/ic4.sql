WITH tagged AS (
  SELECT t.name, p.creation_date
  FROM knows k JOIN post p ON p.creator = k.friend JOIN post_tag pt ON pt.post = p.id JOIN tag t ON t.id = pt.tag
  WHERE k.person = $1
)
SELECT name, count(*) AS post_count
FROM tagged t
WHERE creation_date >= $2 AND creation_date < $2 + $3::int * interval '1 day'
  AND NOT EXISTS (SELECT 1 FROM tagged earlier WHERE earlier.name = t.name AND earlier.creation_date < $2)
GROUP BY name
ORDER BY post_count DESC, name
LIMIT 10
