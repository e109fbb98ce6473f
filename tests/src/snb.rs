//! Loading the small social-network data set through Cypher, and its reference questions.

pub mod interactive;
pub mod tables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sinew::{Result, Session, Value};

/// Where the data sets are: `SINEW_DATASETS_DIR`, or `../shared/datasets` beside the workspace. None when absent.
pub fn directory() -> Option<PathBuf> {
    let directory = match std::env::var_os("SINEW_DATASETS_DIR") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/datasets"),
    };
    let directory = directory.join("snb-tiny");
    directory.is_dir().then_some(directory)
}

/// Rows per statement.
const BATCH_ROWS: usize = 4000;

/// (file, label clause)
const NODES: &[(&str, &str)] = &[
    ("dynamic/person", "Person"),
    ("dynamic/forum", "Forum"),
    ("dynamic/post", "Post:Message"),
    ("dynamic/comment", "Comment:Message"),
    ("static/organisation", "Organisation"),
    ("static/place", "Place"),
    ("static/tag", "Tag"),
    ("static/tagclass", "TagClass"),
];

/// (file, source label, type, target label)
const RELATIONSHIPS: &[(&str, &str, &str, &str)] = &[
    ("dynamic/person_knows_person", "Person", "KNOWS", "Person"),
    ("dynamic/person_isLocatedIn_place", "Person", "IS_LOCATED_IN", "Place"),
    ("dynamic/person_hasInterest_tag", "Person", "HAS_INTEREST", "Tag"),
    ("dynamic/person_studyAt_organisation", "Person", "STUDY_AT", "Organisation"),
    ("dynamic/person_workAt_organisation", "Person", "WORK_AT", "Organisation"),
    ("dynamic/person_likes_post", "Person", "LIKES", "Post"),
    ("dynamic/person_likes_comment", "Person", "LIKES", "Comment"),
    ("dynamic/forum_containerOf_post", "Forum", "CONTAINER_OF", "Post"),
    ("dynamic/forum_hasMember_person", "Forum", "HAS_MEMBER", "Person"),
    ("dynamic/forum_hasModerator_person", "Forum", "HAS_MODERATOR", "Person"),
    ("dynamic/forum_hasTag_tag", "Forum", "HAS_TAG", "Tag"),
    ("dynamic/post_hasCreator_person", "Post", "HAS_CREATOR", "Person"),
    ("dynamic/comment_hasCreator_person", "Comment", "HAS_CREATOR", "Person"),
    ("dynamic/post_hasTag_tag", "Post", "HAS_TAG", "Tag"),
    ("dynamic/comment_hasTag_tag", "Comment", "HAS_TAG", "Tag"),
    ("dynamic/post_isLocatedIn_place", "Post", "IS_LOCATED_IN", "Place"),
    ("dynamic/comment_isLocatedIn_place", "Comment", "IS_LOCATED_IN", "Place"),
    ("dynamic/comment_replyOf_post", "Comment", "REPLY_OF", "Post"),
    ("dynamic/comment_replyOf_comment", "Comment", "REPLY_OF", "Comment"),
    ("static/organisation_isLocatedIn_place", "Organisation", "IS_LOCATED_IN", "Place"),
    ("static/place_isPartOf_place", "Place", "IS_PART_OF", "Place"),
    ("static/tag_hasType_tagclass", "Tag", "HAS_TYPE", "TagClass"),
    ("static/tagclass_isSubclassOf_tagclass", "TagClass", "IS_SUBCLASS_OF", "TagClass"),
];

/// The reference questions by name, as statements of ours.
pub const QUESTIONS: &[(&str, &str)] = &[
    ("browser", "MATCH (p:Person) RETURN p.browserUsed AS browser, count(*) AS n ORDER BY n DESC, browser"),
    ("degree_top5", "MATCH (p:Person)-[:KNOWS]-() RETURN p.id AS id, count(*) AS n ORDER BY n DESC, id LIMIT 5"),
    ("hops_4398046511333", HOPS_A),
    ("hops_8796093022220", HOPS_B),
    (
        "ic13",
        "MATCH (a:Person {id: 8796093022357}), (b:Person {id: 8796093022390}) \
         OPTIONAL MATCH path = shortestPath((a)-[:KNOWS*]-(b)) RETURN coalesce(length(path), -1) AS hops",
    ),
    (
        "triangles",
        "MATCH (a:Person)-[:KNOWS]-(b:Person)-[:KNOWS]-(c:Person)-[:KNOWS]-(a) WHERE a.id < b.id AND b.id < c.id \
         RETURN count(*) AS n",
    ),
    (
        "components",
        "SELECT count(*), max(size) FROM (SELECT root, count(*) AS size FROM \
         (SELECT (SELECT min(t.node_id) FROM traverse(n.id, max_depth => 100, types => ARRAY['KNOWS'], direction => 'both') t) AS root \
          FROM cypher('MATCH (p:Person) RETURN id(p) AS id') n) roots GROUP BY root) sizes",
    ),
    (
        "reply_depth",
        "MATCH path = (:Comment)-[:REPLY_OF*]->(:Post) RETURN length(path) AS depth, count(*) AS n ORDER BY depth",
    ),
    (
        "forum_top5",
        "MATCH (f:Forum)-[:HAS_MEMBER]->() RETURN f.id AS id, f.title AS title, count(*) AS n ORDER BY n DESC, id LIMIT 5",
    ),
    (
        "interest_top5",
        "MATCH (t:Tag)<-[:HAS_INTEREST]-(:Person) WITH t, count(*) AS n ORDER BY n DESC, t.id LIMIT 5 RETURN t.name, n",
    ),
    (
        "tagclass_Person",
        "MATCH (:TagClass {name: 'Person'})<-[:IS_SUBCLASS_OF*0..]-(d) OPTIONAL MATCH (d)<-[:HAS_TYPE]-(t:Tag) RETURN count(DISTINCT d) AS classes, count(DISTINCT t) AS tags",
    ),
    (
        "tagclass_Place",
        "MATCH (:TagClass {name: 'Place'})<-[:IS_SUBCLASS_OF*0..]-(d) OPTIONAL MATCH (d)<-[:HAS_TYPE]-(t:Tag) RETURN count(DISTINCT d) AS classes, count(DISTINCT t) AS tags",
    ),
    (
        "tagclass_Work",
        "MATCH (:TagClass {name: 'Work'})<-[:IS_SUBCLASS_OF*0..]-(d) OPTIONAL MATCH (d)<-[:HAS_TYPE]-(t:Tag) RETURN count(DISTINCT d) AS classes, count(DISTINCT t) AS tags",
    ),
    (
        "persons_by_country_top5",
        "MATCH (:Person)-[:IS_LOCATED_IN]->()-[:IS_PART_OF]->(c:Place) RETURN c.name AS name, count(*) AS n ORDER BY n DESC, name LIMIT 5",
    ),
    (
        "likes_received_top5",
        "MATCH (p:Person)<-[:HAS_CREATOR]-(m)<-[:LIKES]-() RETURN p.id AS id, count(*) AS n ORDER BY n DESC, id LIMIT 5",
    ),
    (
        "post_length",
        "MATCH (p:Post) RETURN count(*) AS posts, sum(p.length) AS total, max(p.length) AS longest, \
         sum(CASE WHEN p.content IS NULL THEN 1 ELSE 0 END) AS empty",
    ),
];

const HOPS_A: &str = "SELECT count(*) FILTER (WHERE depth = 1), count(*) FILTER (WHERE depth = 2), count(*) FILTER (WHERE depth = 3) \
    FROM cypher('MATCH (p:Person {id: 4398046511333}) RETURN id(p) AS id') p, \
    LATERAL traverse(p.id, max_depth => 3, types => ARRAY['KNOWS'], direction => 'both') t";
const HOPS_B: &str = "MATCH (s:Person {id: 8796093022220}) MATCH (p:Person) WHERE p <> s \
    MATCH path = shortestPath((s)-[:KNOWS*..3]-(p)) WITH length(path) AS hops, count(*) AS n \
    RETURN sum(CASE hops WHEN 1 THEN n ELSE 0 END), sum(CASE hops WHEN 2 THEN n ELSE 0 END), sum(CASE hops WHEN 3 THEN n ELSE 0 END)";

/// Header and rows of one file: `|` between fields, no quoting.
fn read(directory: &Path, file: &str) -> std::io::Result<(Vec<String>, Vec<Vec<String>>)> {
    let text = std::fs::read_to_string(directory.join(format!("{file}_0_0.csv")))?;
    let mut lines = text.lines().map(|line| line.split('|').map(str::to_owned).collect::<Vec<_>>());
    let header = lines.next().unwrap_or_default();
    Ok((header, lines.collect()))
}

fn io_error(error: std::io::Error) -> sinew::QueryError {
    sinew::QueryError::new(sinew::sqlstate::IO_ERROR, error.to_string())
}

/// Numbers are integers, a person's languages and addresses are lists split at `;`, an empty field is null.
fn value(file: &str, column: &str, text: &str) -> Value {
    if text.is_empty() {
        return Value::Null;
    }
    match column {
        "language" | "email" if file == "dynamic/person" => list(text),
        "id" | "length" | "creationDate" | "birthday" | "joinDate" | "classYear" | "workFrom" => {
            text.parse().map_or_else(|_| Value::from(text), Value::Int)
        }
        _ => Value::from(text),
    }
}

fn list(text: &str) -> Value {
    Value::list(text.split(';').map(Value::from).collect())
}

fn map(entries: impl IntoIterator<Item = (String, Value)>) -> Value {
    let map: BTreeMap<Arc<str>, Value> = entries.into_iter().map(|(key, value)| (Arc::from(key), value)).collect();
    Value::Map(Arc::new(map))
}

/// Loads everything; gives (nodes, relationships).
pub fn load(session: &mut Session, directory: &Path) -> Result<(u64, u64)> {
    let (mut node_count, mut relationship_count) = (0, 0);
    for (_, labels) in NODES {
        let label = labels.split(':').next().unwrap_or(labels);
        session.query(&format!("CREATE INDEX FOR (n:{label}) ON (n.id)"), &[])?;
    }
    session.query("CREATE INDEX FOR (n:Message) ON (n.id)", &[])?;
    for (file, labels) in NODES {
        let (header, rows) = read(directory, file).map_err(io_error)?;
        for chunk in rows.chunks(BATCH_ROWS) {
            let batch = chunk
                .iter()
                .map(|row| {
                    map(header.iter().zip(row).map(|(column, text)| (column.clone(), value(file, column, text))))
                })
                .collect();
            session.query_named(
                &format!("UNWIND $rows AS row CREATE (n:{labels}) SET n = row"),
                &[("rows", Value::list(batch))],
            )?;
            node_count += chunk.len() as u64;
        }
    }
    for (file, source, ty, target) in RELATIONSHIPS {
        let (header, rows) = read(directory, file).map_err(io_error)?;
        for chunk in rows.chunks(BATCH_ROWS) {
            let batch = chunk
                .iter()
                .map(|row| {
                    let properties = header
                        .iter()
                        .zip(row)
                        .skip(2)
                        .map(|(column, text)| (column.clone(), value(file, column, text)));
                    map([
                        ("a".to_owned(), value(file, "id", &row[0])),
                        ("b".to_owned(), value(file, "id", &row[1])),
                        ("p".to_owned(), map(properties)),
                    ])
                })
                .collect();
            session.query_named(
                &format!(
                    "UNWIND $rows AS row MATCH (a:{source} {{id: row.a}}), (b:{target} {{id: row.b}}) \
                     CREATE (a)-[r:{ty}]->(b) SET r = row.p"
                ),
                &[("rows", Value::list(batch))],
            )?;
            relationship_count += chunk.len() as u64;
        }
    }
    Ok((node_count, relationship_count))
}
