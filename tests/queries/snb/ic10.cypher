// Friends of friends born around a turn of the month, by how far their posts share the person's interests.
MATCH (person:Person {id: $personId})-[:KNOWS*2]-(foaf:Person)-[:IS_LOCATED_IN]->(city:Place)
WHERE foaf <> person AND NOT (person)-[:KNOWS]-(foaf)
WITH DISTINCT person, foaf, city, datetime({epochMillis: foaf.birthday}) AS birthday
WHERE birthday.month = $month AND birthday.day >= 21 OR birthday.month = $month % 12 + 1 AND birthday.day < 22
OPTIONAL MATCH (foaf)<-[:HAS_CREATOR]-(post:Post)
WITH person, foaf, city, collect(post) AS posts
WITH foaf, city, size(posts) AS postCount,
     size([post IN posts WHERE (post)-[:HAS_TAG]->()<-[:HAS_INTEREST]-(person)]) AS common
RETURN foaf.id AS personId, foaf.firstName AS firstName, foaf.lastName AS lastName,
       common - (postCount - common) AS score, foaf.gender AS gender, city.name AS city
ORDER BY score DESC, personId ASC
LIMIT 10
