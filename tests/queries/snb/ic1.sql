WITH RECURSIVE reached (person, distance) AS (
  SELECT $1::bigint, 0
  UNION
  SELECT k.friend, r.distance + 1 FROM reached r JOIN knows k ON k.person = r.person WHERE r.distance < 3
), nearest AS (
  SELECT person, min(distance) AS distance FROM reached GROUP BY person
)
SELECT p.id, p.last_name, n.distance, p.birthday, p.creation_date, p.gender, p.browser, p.location_ip,
       ARRAY(SELECT email FROM person_email e WHERE e.person = p.id ORDER BY email) AS emails,
       ARRAY(SELECT language FROM person_language l WHERE l.person = p.id ORDER BY language) AS languages,
       c.name AS city,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(u.name, s.class_year, place.name) ORDER BY u.name, s.class_year), '[]')
        FROM study s JOIN organisation u ON u.id = s.university JOIN place ON place.id = u.place
        WHERE s.person = p.id) AS universities,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(o.name, w.work_from, place.name) ORDER BY o.name, w.work_from), '[]')
        FROM work w JOIN organisation o ON o.id = w.company JOIN place ON place.id = o.place
        WHERE w.person = p.id) AS companies
FROM nearest n JOIN person p ON p.id = n.person JOIN place c ON c.id = p.place
WHERE p.first_name = $2 AND p.id <> $1
ORDER BY n.distance, p.last_name, p.id
LIMIT 20
