//! One reading of everything, turned back into a state per client. The other views are compared with what it gives.

use std::collections::BTreeMap;

use super::difference::Difference;
use super::model::{ClientState, Item, NODES_PER_CLIENT, Side};
use super::probe::{Probe, Row, cell, number};
use super::statements::{code, conversation_id, tag};

/// Messages by (client, conversation): `seq` and content.
type Messages = BTreeMap<(usize, u8), Vec<(i64, String)>>;

/// What the server shows, by the plainest way there is to ask for it.
pub struct Observed {
    pub clients: Vec<ClientState>,
    /// Balance by account.
    pub accounts: BTreeMap<i32, i64>,
}

struct Reader<'p> {
    probe: &'p Probe,
    clients: Vec<ClientState>,
}

pub async fn observe(probe: &Probe, client_count: usize) -> Result<Observed, Difference> {
    let mut reader = Reader { probe, clients: vec![ClientState::default(); client_count] };
    reader.items().await?;
    reader.ledger().await?;
    reader.messages().await?;
    reader.graph().await?;
    reader.relations().await?;
    reader.runs().await?;
    let view = "SELECT id, balance FROM accounts";
    let mut accounts = BTreeMap::new();
    for row in probe.rows(view).await? {
        accounts.insert(number(view, &row, 0)?, number(view, &row, 1)?);
    }
    Ok(Observed { clients: reader.clients, accounts })
}

impl Reader<'_> {
    fn client(&mut self, view: &str, number: usize) -> Result<&mut ClientState, Difference> {
        let found = format!("one of client {number}");
        self.clients.get_mut(number).ok_or_else(|| Difference::new(view, "rows of the rig's clients", found))
    }

    async fn items(&mut self) -> Result<(), Difference> {
        let view = "SELECT owner, k, v, tag, code FROM items";
        for row in self.probe.rows(view).await? {
            let (owner, k): (usize, i32) = (number(view, &row, 0)?, number(view, &row, 1)?);
            let stored: i32 = number(view, &row, 3)?;
            let revision = (0..10).find(|revision| row.get(4) == Some(&code(owner, k, *revision)));
            let own_tag = stored - tag(owner, 0);
            let Some(revision) = revision else {
                return Err(Difference::new(view, format!("a code like {}", code(owner, k, 0)), row.join("|")));
            };
            let item = Item { v: number(view, &row, 2)?, tag: own_tag, revision };
            if self.client(view, owner)?.items.insert(k, item).is_some() {
                return Err(twice(view, &row));
            }
        }
        Ok(())
    }

    async fn ledger(&mut self) -> Result<(), Difference> {
        let view = "SELECT owner, account, net FROM ledger";
        for row in self.probe.rows(view).await? {
            let net = number(view, &row, 2)?;
            let ledger = &mut self.client(view, number(view, &row, 0)?)?.ledger;
            if ledger.insert(number(view, &row, 1)?, net).is_some() {
                return Err(twice(view, &row));
            }
        }
        Ok(())
    }

    async fn messages(&mut self) -> Result<(), Difference> {
        let view = "SELECT conversation_id FROM conversations WHERE conversation_id LIKE 'crash-%'";
        let mut all = Messages::new();
        for row in self.probe.rows(view).await? {
            all.insert(place(view, cell(view, &row, 0)?)?, Vec::new());
        }
        let view = "SELECT conversation_id, seq, content FROM messages WHERE content LIKE 'codeword %'";
        for row in self.probe.rows(view).await? {
            let place = place(view, cell(view, &row, 0)?)?;
            let Some(messages) = all.get_mut(&place) else {
                return Err(Difference::new(view, "messages of existing conversations", row.join("|")));
            };
            messages.push((number(view, &row, 1)?, cell(view, &row, 2)?.to_owned()));
        }
        for ((owner, conversation), mut messages) in all {
            messages.sort_unstable();
            let contents = messages.into_iter().map(|(_, content)| content).collect();
            self.client(view, owner)?.conversations.insert(conversation, contents);
        }
        Ok(())
    }

    async fn graph(&mut self) -> Result<(), Difference> {
        let view = "MATCH (n:Item) RETURN n.uid, n.v";
        for row in self.probe.rows(view).await? {
            let uid: i64 = number(view, &row, 0)?;
            let v = number(view, &row, 1)?;
            if self.client(view, owner_of(uid))?.nodes.insert(uid, v).is_some() {
                return Err(twice(view, &row));
            }
        }
        let view = "MATCH (a:Item)-[r:LINK]->(b:Item) RETURN a.uid, b.uid, r.w";
        for row in self.probe.rows(view).await? {
            let (source, target): (i64, i64) = (number(view, &row, 0)?, number(view, &row, 1)?);
            let w = number(view, &row, 2)?;
            if self.client(view, owner_of(source))?.links.insert((source, target), w).is_some() {
                return Err(twice(view, &row));
            }
        }
        Ok(())
    }

    /// Side tables and the indexes that come and go.
    async fn relations(&mut self) -> Result<(), Difference> {
        let view = "SELECT relname FROM pg_class";
        let names = self.probe.lines(view).await?;
        let holds = |name: &str| names.iter().any(|held| held == name);
        for owner in 0..self.clients.len() {
            let table = format!("side_{owner}");
            let has_index = holds(&format!("{table}_n"));
            if !holds(&table) {
                if has_index {
                    return Err(Difference::new(view, format!("no index of {table}"), format!("{table}_n")));
                }
                continue;
            }
            let view = format!("SELECT id, n FROM {table}");
            let mut side = Side { has_index, ..Side::default() };
            for row in self.probe.rows(&view).await? {
                if side.rows.insert(number(&view, &row, 0)?, number(&view, &row, 1)?).is_some() {
                    return Err(twice(&view, &row));
                }
            }
            self.clients[owner].side = Some(side);
        }
        let graph_indexes = self.probe.rows("SHOW INDEXES").await?;
        if let Some(first) = self.clients.first_mut() {
            first.extra_index = holds("items_extra");
            first.graph_index = graph_indexes.iter().any(|row| row.iter().any(|cell| cell == "item_v"));
        }
        Ok(())
    }

    async fn runs(&mut self) -> Result<(), Difference> {
        let view = "SELECT idempotency_key FROM agent_runs WHERE idempotency_key IS NOT NULL";
        for row in self.probe.rows(view).await? {
            let key = cell(view, &row, 0)?;
            let owner = key.strip_prefix("run-").and_then(|rest| rest.split('-').next()?.parse().ok());
            let Some(owner) = owner else { return Err(Difference::new(view, "keys like run-0-1", key)) };
            if !self.client(view, owner)?.runs.insert(key.to_owned()) {
                return Err(twice(view, &row));
            }
        }
        Ok(())
    }
}

fn twice(view: &str, row: &Row) -> Difference {
    Difference::new(view, "every key once", format!("{} again", row.join("|")))
}

fn owner_of(uid: i64) -> usize {
    usize::try_from(uid / NODES_PER_CLIENT).unwrap_or(usize::MAX)
}

/// Client and number of a conversation.
fn place(view: &str, id: &str) -> Result<(usize, u8), Difference> {
    let mut parts = id.split('-').skip(1);
    let place = (parts.next().and_then(|part| part.parse().ok()), parts.next().and_then(|part| part.parse().ok()));
    match place {
        (Some(client), Some(conversation)) if conversation_id(client, conversation) == id => Ok((client, conversation)),
        _ => Err(Difference::new(view, "conversations of the rig's clients", id)),
    }
}
