// Persons within two steps who wrote from both of two foreign countries within some days.
MATCH (start:Person {id: $personId})-[:KNOWS*1..2]-(friend:Person)-[:IS_LOCATED_IN]->(:Place)-[:IS_PART_OF]->(home:Place)
WHERE friend <> start AND NOT home.name IN [$countryXName, $countryYName]
WITH DISTINCT friend
MATCH (friend)<-[:HAS_CREATOR]-(message:Message)-[:IS_LOCATED_IN]->(country:Place)
WHERE country.name IN [$countryXName, $countryYName]
  AND $startDate <= message.creationDate < $startDate + $durationDays * 24 * 60 * 60 * 1000
WITH friend,
     sum(CASE country.name WHEN $countryXName THEN 1 ELSE 0 END) AS xCount,
     sum(CASE country.name WHEN $countryYName THEN 1 ELSE 0 END) AS yCount
WHERE xCount > 0 AND yCount > 0
RETURN friend.id AS personId, friend.firstName AS firstName, friend.lastName AS lastName, xCount, yCount,
       xCount + yCount AS total
ORDER BY total DESC, personId
LIMIT 20
