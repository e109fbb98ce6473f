// The number of steps between two persons; -1 when there is no way.
MATCH (a:Person {id: $person1Id}), (b:Person {id: $person2Id})
OPTIONAL MATCH path = shortestPath((a)-[:KNOWS*]-(b))
RETURN CASE WHEN path IS NULL THEN -1 ELSE length(path) END AS steps
