// All shortest ways between two persons, weighted by how often neighbours on them replied to each other.
MATCH path = allShortestPaths((a:Person {id: $person1Id})-[:KNOWS*]-(b:Person {id: $person2Id}))
WITH nodes(path) AS people
CALL (people) {
  UNWIND range(1, size(people) - 1) AS i
  WITH people[i - 1] AS x, people[i] AS y
  MATCH (x)<-[:HAS_CREATOR]-(said:Message)-[:REPLY_OF]-(answered:Message)-[:HAS_CREATOR]->(y)
  RETURN sum(CASE WHEN said:Post OR answered:Post THEN 1.0 ELSE 0.5 END) AS weight
}
WITH [person IN people | person.id] AS personIds, toFloat(weight) AS weight
RETURN personIds, weight
ORDER BY weight DESC, personIds
