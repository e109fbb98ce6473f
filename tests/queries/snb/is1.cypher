// A person's profile.
MATCH (person:Person {id: $personId})-[:IS_LOCATED_IN]->(city:Place)
RETURN person.firstName AS firstName, person.lastName AS lastName, person.birthday AS birthday,
       person.locationIP AS ip, person.browserUsed AS browser, city.id AS cityId, person.gender AS gender,
       person.creationDate AS creationDate
