// A person's friends, the newest first.
MATCH (:Person {id: $personId})-[knows:KNOWS]-(friend:Person)
RETURN friend.id AS personId, friend.firstName AS firstName, friend.lastName AS lastName, knows.creationDate AS since
ORDER BY since DESC, personId ASC
