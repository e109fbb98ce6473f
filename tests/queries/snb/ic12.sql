WITH RECURSIVE classes (id) AS (
  SELECT id FROM tag_class WHERE name = $2
  UNION
  SELECT c.id FROM classes JOIN tag_class c ON c.subclass_of = classes.id
)
SELECT p.id, p.first_name, p.last_name, array_agg(DISTINCT t.name ORDER BY t.name) AS tag_names,
       count(DISTINCT c.id) AS reply_count
FROM knows k
JOIN person p ON p.id = k.friend
JOIN comment c ON c.creator = p.id
JOIN post_tag pt ON pt.post = c.reply_of_post
JOIN tag t ON t.id = pt.tag
WHERE k.person = $1 AND t.class IN (SELECT id FROM classes)
GROUP BY p.id, p.first_name, p.last_name
ORDER BY reply_count DESC, p.id
LIMIT 20
