//! The model's changes in SQL and Cypher, and the tables, indexes and agents they need.

use super::model::{ACCOUNTS, NODES_PER_CLIENT, OPENING_BALANCE, Op, node_word};

/// Run once, in a new database.
pub fn set_up() -> Vec<String> {
    let accounts: Vec<String> = (0..ACCOUNTS).map(|id| format!("({id}, {OPENING_BALANCE})")).collect();
    vec![
        "CREATE TABLE items (owner int NOT NULL, k int NOT NULL, v bigint NOT NULL, tag int NOT NULL, \
         code text NOT NULL, PRIMARY KEY (owner, k), UNIQUE (code))"
            .to_owned(),
        "CREATE INDEX items_tag ON items (tag)".to_owned(),
        "CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL)".to_owned(),
        format!("INSERT INTO accounts VALUES {}", accounts.join(", ")),
        "CREATE TABLE ledger (owner int NOT NULL, account int NOT NULL, net bigint NOT NULL, \
         PRIMARY KEY (owner, account))"
            .to_owned(),
        "CREATE INDEX item_uid FOR (n:Item) ON (n.uid)".to_owned(),
        "CREATE FULLTEXT INDEX item_word FOR (n:Item) ON EACH [n.word]".to_owned(),
        "CREATE AGENT mute TYPE react MODEL builtin TOOLS ()".to_owned(),
        "CREATE AGENT clerk TYPE react MODEL builtin TOOLS (search_graph)".to_owned(),
    ]
}

/// `items.code`.
pub fn code(client: usize, k: i32, revision: i32) -> String {
    format!("c{client}k{k}r{revision}")
}

/// `messages.conversation_id`.
pub fn conversation_id(client: usize, conversation: u8) -> String {
    format!("crash-{client}-{conversation}")
}

/// `items.tag`: clients have values of their own.
pub fn tag(client: usize, tag: i32) -> i32 {
    client as i32 * 100 + tag
}

/// The statements of one change, in order. More than one must stand in a transaction.
pub fn statements(client: usize, op: &Op) -> Vec<String> {
    let one = |text: String| vec![text];
    match op {
        Op::InsertItem { k, item } => one(format!(
            "INSERT INTO items VALUES ({client}, {k}, {}, {}, '{}')",
            item.v,
            tag(client, item.tag),
            code(client, *k, item.revision)
        )),
        Op::PutItem { k, item } => one(format!(
            "INSERT INTO items VALUES ({client}, {k}, {}, {}, '{}') \
             ON CONFLICT (owner, k) DO UPDATE SET v = excluded.v, tag = excluded.tag, code = excluded.code",
            item.v,
            tag(client, item.tag),
            code(client, *k, item.revision)
        )),
        Op::UpdateItem { k, item } => one(format!(
            "UPDATE items SET v = {}, tag = {}, code = '{}' WHERE owner = {client} AND k = {k}",
            item.v,
            tag(client, item.tag),
            code(client, *k, item.revision)
        )),
        Op::MoveItem { from, to, revision } => one(format!(
            "UPDATE items SET k = {to}, code = '{}' WHERE owner = {client} AND k = {from}",
            code(client, *to, *revision)
        )),
        Op::DeleteItem { k } => one(format!("DELETE FROM items WHERE owner = {client} AND k = {k}")),
        Op::AddToTag { tag: of, amount } => {
            one(format!("UPDATE items SET v = v + {amount} WHERE tag = {}", tag(client, *of)))
        }
        Op::DeleteTag { tag: of } => one(format!("DELETE FROM items WHERE tag = {}", tag(client, *of))),
        Op::Transfer { from, to, amount } => vec![
            format!("UPDATE accounts SET balance = balance - {amount} WHERE id = {from}"),
            format!("UPDATE accounts SET balance = balance + {amount} WHERE id = {to}"),
            book(client, *from, -amount),
            book(client, *to, *amount),
        ],
        Op::Say { conversation, content } => one(format!(
            "INSERT INTO messages (conversation_id, role, content) VALUES ('{}', 'user', '{content}')",
            conversation_id(client, *conversation)
        )),
        Op::Rewrite { conversation, old, new } => one(format!(
            "UPDATE messages SET content = '{new}' WHERE conversation_id = '{}' AND content = '{old}'",
            conversation_id(client, *conversation)
        )),
        Op::Unsay { conversation, content } => one(format!(
            "DELETE FROM messages WHERE conversation_id = '{}' AND content = '{content}'",
            conversation_id(client, *conversation)
        )),
        Op::CreateNode { uid, v } => one(format!(
            "CREATE (:Item:{}{} {{uid: {uid}, v: {v}, word: '{}'}})",
            owner_label(*uid),
            if is_odd(*v) { ":Odd" } else { "" },
            node_word(*uid, *v)
        )),
        Op::PutNode { uid, v } => {
            one(format!("MERGE (n:Item:{} {{uid: {uid}}}) {}", owner_label(*uid), set_node(*uid, *v)))
        }
        Op::SetNode { uid, v } => one(format!("MATCH (n:Item {{uid: {uid}}}) {}", set_node(*uid, *v))),
        Op::DeleteNode { uid } => one(format!("MATCH (n:Item {{uid: {uid}}}) DETACH DELETE n")),
        Op::Link { source, target, w } => one(format!(
            "MATCH (a:Item {{uid: {source}}}), (b:Item {{uid: {target}}}) CREATE (a)-[:LINK {{w: {w}}}]->(b)"
        )),
        Op::SetLink { source, target, w } => {
            one(format!("MATCH (:Item {{uid: {source}}})-[r:LINK]->(:Item {{uid: {target}}}) SET r.w = {w}"))
        }
        Op::Unlink { source, target } => {
            one(format!("MATCH (:Item {{uid: {source}}})-[r:LINK]->(:Item {{uid: {target}}}) DELETE r"))
        }
        Op::CreateSide => one(format!("CREATE TABLE side_{client} (id int PRIMARY KEY, n int NOT NULL)")),
        Op::PutSide { id, n } => {
            one(format!("INSERT INTO side_{client} VALUES ({id}, {n}) ON CONFLICT (id) DO UPDATE SET n = excluded.n"))
        }
        Op::TruncateSide => one(format!("TRUNCATE side_{client}")),
        Op::DropSide => one(format!("DROP TABLE side_{client}")),
        Op::SideIndex { create: true } => one(format!("CREATE INDEX side_{client}_n ON side_{client} (n)")),
        Op::SideIndex { create: false } => one(format!("DROP INDEX side_{client}_n")),
        Op::ExtraIndex { create: true } => one("CREATE INDEX items_extra ON items (v)".to_owned()),
        Op::ExtraIndex { create: false } => one("DROP INDEX items_extra".to_owned()),
        Op::GraphIndex { create: true } => one("CREATE INDEX item_v FOR (n:Item) ON (n.v)".to_owned()),
        Op::GraphIndex { create: false } => one("DROP INDEX item_v".to_owned()),
        Op::Enqueue { key, agent } => {
            one(format!("CALL enqueue_agent('{agent}', 'What is known of {key}?', idempotency_key => '{key}')"))
        }
    }
}

fn book(client: usize, account: i32, amount: i64) -> String {
    format!(
        "INSERT INTO ledger VALUES ({client}, {account}, {amount}) \
         ON CONFLICT (owner, account) DO UPDATE SET net = ledger.net + excluded.net"
    )
}

fn owner_label(uid: i64) -> String {
    format!("C{}", uid / NODES_PER_CLIENT)
}

/// Nodes with an odd `v` carry the label `Odd`.
pub fn is_odd(v: i64) -> bool {
    v % 2 != 0
}

fn set_node(uid: i64, v: i64) -> String {
    let label = if is_odd(v) { "SET n:Odd" } else { "REMOVE n:Odd" };
    format!("SET n.v = {v}, n.word = '{}' {label}", node_word(uid, v))
}
