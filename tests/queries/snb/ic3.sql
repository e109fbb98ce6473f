WITH friends AS (
  SELECT friend FROM knows WHERE person = $1
  UNION
  SELECT second.friend FROM knows first JOIN knows second ON second.person = first.friend WHERE first.person = $1
), counted AS (
  SELECT p.id, p.first_name, p.last_name,
         count(*) FILTER (WHERE country.name = $4) AS x_count, count(*) FILTER (WHERE country.name = $5) AS y_count
  FROM friends f
  JOIN person p ON p.id = f.friend
  JOIN place city ON city.id = p.place
  JOIN place home ON home.id = city.is_part_of
  JOIN message m ON m.creator = p.id
  JOIN place country ON country.id = m.place
  WHERE p.id <> $1 AND home.name NOT IN ($4, $5) AND country.name IN ($4, $5)
    AND m.creation_date >= $2 AND m.creation_date < $2 + $3::int * interval '1 day'
  GROUP BY p.id, p.first_name, p.last_name
)
SELECT id, first_name, last_name, x_count, y_count, x_count + y_count AS total
FROM counted
WHERE x_count > 0 AND y_count > 0
ORDER BY total DESC, id
LIMIT 20
