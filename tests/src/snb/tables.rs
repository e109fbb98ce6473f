//! The same network as tables: `postgres-layout` loaded by COPY.

use std::path::Path;

use sinew::query::copy_column::CopyColumn;
use sinew::query::statement::CopyTarget;
use sinew::query::{EvalContext, ExecContext, RowStream};
use sinew::{Batch, Execution, Result, Session};

use super::{BATCH_ROWS, io_error, read};

const SCHEMA: &str = "
CREATE TABLE place (id bigint PRIMARY KEY, name text, url text, type text, is_part_of bigint);
CREATE TABLE tag_class (id bigint PRIMARY KEY, name text, url text, subclass_of bigint);
CREATE TABLE tag (id bigint PRIMARY KEY, name text, url text, class bigint);
CREATE TABLE organisation (id bigint PRIMARY KEY, type text, name text, url text, place bigint);
CREATE TABLE person (id bigint PRIMARY KEY, first_name text, last_name text, gender text, birthday date,
    creation_date timestamptz, location_ip text, browser text, place bigint);
CREATE TABLE person_email (person bigint, email text, PRIMARY KEY (person, email));
CREATE TABLE person_language (person bigint, language text, PRIMARY KEY (person, language));
CREATE TABLE person_interest (person bigint, tag bigint, PRIMARY KEY (person, tag));
CREATE TABLE study (person bigint, university bigint, class_year int, PRIMARY KEY (person, university));
CREATE TABLE work (person bigint, company bigint, work_from int, PRIMARY KEY (person, company));
CREATE TABLE friendship (a bigint, b bigint, creation_date timestamptz, PRIMARY KEY (a, b));
CREATE TABLE forum (id bigint PRIMARY KEY, title text, creation_date timestamptz, moderator bigint);
CREATE TABLE forum_member (forum bigint, person bigint, join_date timestamptz, PRIMARY KEY (forum, person));
CREATE TABLE forum_tag (forum bigint, tag bigint, PRIMARY KEY (forum, tag));
CREATE TABLE post (id bigint PRIMARY KEY, image_file text, creation_date timestamptz, location_ip text, browser text,
    language text, content text, length int, creator bigint, forum bigint, place bigint);
CREATE TABLE post_tag (post bigint, tag bigint, PRIMARY KEY (post, tag));
CREATE TABLE comment (id bigint PRIMARY KEY, creation_date timestamptz, location_ip text, browser text, content text,
    length int, creator bigint, place bigint, reply_of_post bigint, reply_of_comment bigint);
CREATE TABLE comment_tag (comment bigint, tag bigint, PRIMARY KEY (comment, tag));
CREATE TABLE likes_post (person bigint, post bigint, creation_date timestamptz, PRIMARY KEY (person, post));
CREATE TABLE likes_comment (person bigint, comment bigint, creation_date timestamptz, PRIMARY KEY (person, comment));
CREATE INDEX ON friendship (b);
CREATE INDEX ON forum_member (person);
CREATE INDEX ON post (creator);
CREATE INDEX ON post (forum);
CREATE INDEX ON comment (creator);
CREATE INDEX ON comment (reply_of_post);
CREATE INDEX ON comment (reply_of_comment);
CREATE INDEX ON likes_post (post);
CREATE INDEX ON likes_comment (comment);
CREATE VIEW knows AS
    SELECT a AS person, b AS friend, creation_date FROM friendship
    UNION ALL SELECT b, a, creation_date FROM friendship;
CREATE VIEW message AS
    SELECT id, creator, coalesce(content, image_file) AS content, creation_date, place, NULL::bigint AS reply_of
    FROM post
    UNION ALL SELECT id, creator, content, creation_date, place, coalesce(reply_of_post, reply_of_comment) FROM comment;
CREATE VIEW likes AS
    SELECT person, post AS message, creation_date FROM likes_post
    UNION ALL SELECT person, comment, creation_date FROM likes_comment;
";

/// (table, file)
const TABLES: &[(&str, &str)] = &[
    ("place", "static/place"),
    ("tag_class", "static/tagclass"),
    ("tag", "static/tag"),
    ("organisation", "static/organisation"),
    ("person", "dynamic/person"),
    ("person_email", "dynamic/person_email_emailaddress"),
    ("person_language", "dynamic/person_speaks_language"),
    ("person_interest", "dynamic/person_hasInterest_tag"),
    ("study", "dynamic/person_studyAt_organisation"),
    ("work", "dynamic/person_workAt_organisation"),
    ("friendship", "dynamic/person_knows_person"),
    ("forum", "dynamic/forum"),
    ("forum_member", "dynamic/forum_hasMember_person"),
    ("forum_tag", "dynamic/forum_hasTag_tag"),
    ("post", "dynamic/post"),
    ("post_tag", "dynamic/post_hasTag_tag"),
    ("comment", "dynamic/comment"),
    ("comment_tag", "dynamic/comment_hasTag_tag"),
    ("likes_post", "dynamic/person_likes_post"),
    ("likes_comment", "dynamic/person_likes_comment"),
];

/// Creates the tables, fills and analyzes them; gives the number of rows.
pub fn load(session: &mut Session, directory: &Path) -> Result<u64> {
    session.query(SCHEMA, &[])?;
    let mut row_count = 0;
    for (table, file) in TABLES {
        let (_, rows) = read(&directory.join("postgres-layout"), file).map_err(io_error)?;
        row_count += rows.len() as u64;
        let prepared = session.prepare(&format!("COPY {table} FROM STDIN"), &[])?;
        let Execution::CopyIn(copy) = session.execute(&prepared, Vec::new())? else {
            unreachable!("COPY FROM STDIN asks for rows")
        };
        let source =
            CopySource { context: copy.context().clone(), target: copy.target.clone(), rows: rows.into_iter() };
        session.copy_from(copy, Box::new(source))?;
        session.sync()?;
    }
    session.query("ANALYZE", &[])?;
    Ok(row_count)
}

/// Rows of a file for COPY; an empty field is null.
struct CopySource {
    context: ExecContext,
    target: CopyTarget,
    rows: std::vec::IntoIter<Vec<String>>,
}

impl RowStream for CopySource {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        let context = EvalContext::new(&self.context);
        let mut columns: Vec<CopyColumn> = self.target.columns.iter().map(|(_, ty)| CopyColumn::new(ty)).collect();
        let mut row_count = 0;
        for row in self.rows.by_ref().take(BATCH_ROWS) {
            for (column, field) in columns.iter_mut().zip(&row) {
                if field.is_empty() { column.push_null() } else { column.push_text(&context, field)? }
            }
            row_count += 1;
        }
        let columns = columns.iter_mut().map(CopyColumn::finish).collect();
        Ok((row_count > 0).then_some(Batch { columns, row_count }))
    }
}
