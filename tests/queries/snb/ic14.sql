WITH RECURSIVE reached (person, distance) AS (
  SELECT $1::bigint, 0
  UNION
  SELECT k.friend, r.distance + 1 FROM reached r JOIN knows k ON k.person = r.person WHERE r.distance < 12
), nearest AS (
  SELECT person, min(distance) AS distance FROM reached GROUP BY person
), paths (people, distance) AS (
  SELECT ARRAY[person], distance FROM nearest WHERE person = $2
  UNION ALL
  SELECT n.person || p.people, n.distance
  FROM paths p JOIN knows k ON k.person = p.people[1] JOIN nearest n ON n.person = k.friend AND n.distance = p.distance - 1
), replies AS (
  SELECT least(c.creator, m.creator) AS a, greatest(c.creator, m.creator) AS b,
         sum(CASE WHEN c.reply_of_post IS NULL THEN 0.5 ELSE 1.0 END) AS weight
  FROM comment c JOIN message m ON m.id = coalesce(c.reply_of_post, c.reply_of_comment)
  GROUP BY 1, 2
), steps AS (
  SELECT people, least(people[i], people[i + 1]) AS a, greatest(people[i], people[i + 1]) AS b
  FROM paths, generate_series(1, cardinality(people) - 1) i
  WHERE distance = 0
)
SELECT s.people, coalesce(sum(r.weight), 0)::float8 AS weight
FROM steps s LEFT JOIN replies r ON r.a = s.a AND r.b = s.b
GROUP BY s.people
ORDER BY weight DESC, s.people
