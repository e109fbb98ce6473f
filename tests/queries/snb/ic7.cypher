// Who liked a person's messages last, which message, after how many minutes, and whether they are strangers.
MATCH (person:Person {id: $personId})<-[:HAS_CREATOR]-(message:Message)<-[like:LIKES]-(liker:Person)
WITH person, liker, message, like
ORDER BY like.creationDate DESC, message.id ASC
WITH person, liker, head(collect({message: message, at: like.creationDate})) AS latest
RETURN liker.id AS personId, liker.firstName AS firstName, liker.lastName AS lastName, latest.at AS likedAt,
       latest.message.id AS messageId, coalesce(latest.message.content, latest.message.imageFile) AS content,
       (latest.at - latest.message.creationDate) / 60000 AS minutes,
       NOT EXISTS { (liker)-[:KNOWS]-(person) } AS isNew
ORDER BY likedAt DESC, personId ASC
LIMIT 20
