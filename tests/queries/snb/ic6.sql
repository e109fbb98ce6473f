WITH friends AS (
  SELECT friend FROM knows WHERE person = $1
  UNION
  SELECT second.friend FROM knows first JOIN knows second ON second.person = first.friend WHERE first.person = $1
)
SELECT other.name, count(*) AS post_count
FROM post p
JOIN post_tag given ON given.post = p.id
JOIN tag t ON t.id = given.tag
JOIN post_tag beside ON beside.post = p.id
JOIN tag other ON other.id = beside.tag
WHERE p.creator IN (SELECT friend FROM friends) AND p.creator <> $1 AND t.name = $2 AND other.name <> $2
GROUP BY other.name
ORDER BY post_count DESC, other.name
LIMIT 10
