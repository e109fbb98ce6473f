// Persons within two steps who began to work for a company of a country before a year.
MATCH (start:Person {id: $personId})-[:KNOWS*..2]-(friend:Person)
WHERE friend <> start
WITH DISTINCT friend
MATCH (friend)-[work:WORK_AT WHERE work.workFrom < $workFromYear]->(company:Organisation {type: 'company'})
      -[:IS_LOCATED_IN]->(:Place {name: $countryName})
RETURN friend.id AS personId, friend.firstName AS firstName, friend.lastName AS lastName, company.name AS company,
       work.workFrom AS workFrom
ORDER BY workFrom ASC, personId ASC, company DESC
LIMIT 10
