WITH RECURSIVE newest AS (
  SELECT id, content, creation_date FROM message WHERE creator = $1 ORDER BY creation_date DESC, id DESC LIMIT 10
), thread (message, ancestor) AS (
  SELECT id, id FROM newest
  UNION ALL
  SELECT t.message, m.reply_of FROM thread t JOIN message m ON m.id = t.ancestor WHERE m.reply_of IS NOT NULL
)
SELECT n.id, n.content, n.creation_date, post.id, author.id, author.first_name, author.last_name
FROM newest n JOIN thread t ON t.message = n.id JOIN post ON post.id = t.ancestor JOIN person author ON author.id = post.creator
ORDER BY n.creation_date DESC, n.id DESC
