// Tags of friends' posts that are new within some days: never on a friend's post before.
MATCH (:Person {id: $personId})-[:KNOWS]-(friend:Person)<-[:HAS_CREATOR]-(post:Post)-[:HAS_TAG]->(tag:Tag)
WHERE post.creationDate < $startDate + $durationDays * 86400000
WITH tag, min(post.creationDate) AS first, count(DISTINCT post) AS postCount
WHERE first >= $startDate
RETURN tag.name AS tagName, postCount
ORDER BY postCount DESC, tagName ASC
LIMIT 10
