// Forums that persons within two steps joined after a time, by the posts of those who joined.
MATCH (start:Person {id: $personId})-[:KNOWS*1..2]-(friend:Person)
WHERE NOT friend = start
WITH DISTINCT friend
MATCH (friend)<-[membership:HAS_MEMBER]-(forum:Forum)
WHERE membership.joinDate > $minDate
OPTIONAL MATCH (friend)<-[:HAS_CREATOR]-(post:Post)<-[:CONTAINER_OF]-(forum)
WITH forum, count(post) AS postCount
ORDER BY postCount DESC, forum.id ASC
LIMIT 20
RETURN forum.title AS title, postCount
