// Friends who replied to posts about a class of tags or its subclasses: how often, and about which tags.
MATCH (:Person {id: $personId})-[:KNOWS]-(friend:Person)<-[:HAS_CREATOR]-(comment:Comment)-[:REPLY_OF]->(:Post)
      -[:HAS_TAG]->(tag:Tag)
WHERE EXISTS { (tag)-[:HAS_TYPE]->(:TagClass)-[:IS_SUBCLASS_OF*0..]->(:TagClass {name: $tagClassName}) }
WITH friend, comment, tag ORDER BY tag.name
WITH friend, collect(DISTINCT tag.name) AS tagNames, count(DISTINCT comment) AS replyCount
RETURN friend.id AS personId, friend.firstName AS firstName, friend.lastName AS lastName, tagNames, replyCount
ORDER BY replyCount DESC, personId ASC
LIMIT 20
