// The newest messages of persons within two steps before a time.
MATCH (start:Person {id: $personId})
CALL (start) {
  MATCH (start)-[:KNOWS]-(friend:Person) RETURN friend
  UNION
  MATCH (start)-[:KNOWS]-()-[:KNOWS]-(friend:Person) WHERE friend <> start RETURN friend
}
MATCH (friend)<-[:HAS_CREATOR]-(message:Message WHERE message.creationDate < $maxDate)
RETURN friend.id AS personId, friend.firstName AS firstName, friend.lastName AS lastName, message.id AS messageId,
       coalesce(message.content, message.imageFile) AS content, message.creationDate AS creationDate
ORDER BY creationDate DESC, messageId ASC
LIMIT 20
