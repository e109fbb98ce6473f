// Persons of a first name within three steps, nearest first, with where they live, studied and worked.
MATCH (start:Person {id: $personId}), (friend:Person {firstName: $firstName})
WHERE friend <> start
MATCH path = shortestPath((start)-[:KNOWS*1..3]-(friend))
WITH friend, length(path) AS distance
ORDER BY distance, friend.lastName, friend.id
LIMIT 20
MATCH (friend)-[:IS_LOCATED_IN]->(city:Place)
RETURN friend.id AS id, friend.lastName AS lastName, distance, friend.birthday AS birthday,
       friend.creationDate AS creationDate, friend.gender AS gender, friend.browserUsed AS browser,
       friend.locationIP AS ip,
       COLLECT { UNWIND friend.email AS email RETURN email ORDER BY email } AS emails,
       COLLECT { UNWIND friend.language AS language RETURN language ORDER BY language } AS languages,
       city.name AS city,
       COLLECT {
         MATCH (friend)-[study:STUDY_AT]->(university:Organisation)-[:IS_LOCATED_IN]->(place:Place)
         RETURN [university.name, study.classYear, place.name] ORDER BY university.name, study.classYear
       } AS universities,
       COLLECT {
         MATCH (friend)-[work:WORK_AT]->(company:Organisation)-[:IS_LOCATED_IN]->(place:Place)
         RETURN [company.name, work.workFrom, place.name] ORDER BY company.name, work.workFrom
       } AS companies
ORDER BY distance, lastName, id
