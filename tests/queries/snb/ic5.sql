WITH friends AS (
  SELECT friend FROM knows WHERE person = $1
  UNION
  SELECT second.friend FROM knows first JOIN knows second ON second.person = first.friend WHERE first.person = $1
)
SELECT forum.title, count(post.id) AS post_count
FROM friends f
JOIN forum_member m ON m.person = f.friend
JOIN forum ON forum.id = m.forum
LEFT JOIN post ON post.forum = forum.id AND post.creator = f.friend
WHERE f.friend <> $1 AND m.join_date > $2
GROUP BY forum.id, forum.title
ORDER BY post_count DESC, forum.id
LIMIT 20
