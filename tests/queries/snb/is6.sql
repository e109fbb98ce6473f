WITH RECURSIVE thread (id) AS (
  SELECT $1::bigint
  UNION ALL
  SELECT m.reply_of FROM thread t JOIN message m ON m.id = t.id WHERE m.reply_of IS NOT NULL
)
SELECT forum.id, forum.title, moderator.id, moderator.first_name, moderator.last_name
FROM thread JOIN post ON post.id = thread.id JOIN forum ON forum.id = post.forum JOIN person moderator ON moderator.id = forum.moderator
