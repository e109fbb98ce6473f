WITH foafs AS (
  SELECT second.friend FROM knows first JOIN knows second ON second.person = first.friend WHERE first.person = $1
  EXCEPT
  SELECT friend FROM knows WHERE person = $1
)
SELECT p.id, p.first_name, p.last_name,
       (SELECT coalesce(sum(CASE WHEN EXISTS (SELECT 1 FROM post_tag pt JOIN person_interest i ON i.tag = pt.tag
                                              WHERE pt.post = post.id AND i.person = $1) THEN 1 ELSE -1 END), 0)
        FROM post WHERE post.creator = p.id) AS score,
       p.gender, city.name
FROM foafs f JOIN person p ON p.id = f.friend JOIN place city ON city.id = p.place
WHERE p.id <> $1
  AND (extract(month FROM p.birthday) = $2::int AND extract(day FROM p.birthday) >= 21
       OR extract(month FROM p.birthday) = $2::int % 12 + 1 AND extract(day FROM p.birthday) < 22)
ORDER BY score DESC, p.id
LIMIT 10
