// Tags that stand beside a tag on posts of persons within two steps.
MATCH (start:Person {id: $personId})-[:KNOWS*1..2]-(friend:Person)
WHERE friend.id <> $personId
WITH collect(DISTINCT friend) AS friends
UNWIND friends AS friend
MATCH (friend)<-[:HAS_CREATOR]-(post:Post)-[:HAS_TAG]->(:Tag {name: $tagName}),
      (post)-[:HAS_TAG]->(other:Tag)
WHERE other.name <> $tagName
RETURN other.name AS tagName, count(post) AS postCount
ORDER BY postCount DESC, tagName
LIMIT 10
