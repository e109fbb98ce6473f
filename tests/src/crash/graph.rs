//! The graph through labels, property indexes, both directions, full text, and as the relations `nodes` and `edges`.

use std::collections::BTreeMap;

use super::difference::{Difference, compare};
use super::model::{ClientState, NODE_KEYS, NODES_PER_CLIENT, node_word};
use super::probe::{Probe, cell, number};
use super::random::Random;
use super::statements::is_odd;
use super::tables::uses;

/// Chance of a node to be looked up, in percent.
const SAMPLE: u64 = 30;
/// Words that must not be found.
const GHOST_SAMPLE: usize = 12;

pub async fn verify(
    probe: &Probe,
    clients: &[ClientState],
    ghosts: &[&str],
    random: &mut Random,
    full: bool,
) -> Result<(), Difference> {
    labels(probe, clients).await?;
    relations(probe, clients).await?;
    lookups(probe, clients, random, full).await?;
    values(probe, clients, random).await?;
    let gone: Vec<String> = if full {
        ghosts.iter().map(|word| by_word(word)).collect()
    } else {
        (0..GHOST_SAMPLE).filter_map(|_| random.pick(ghosts).map(|word| by_word(word))).collect()
    };
    for (text, found) in gone.iter().zip(probe.each(&gone).await?) {
        compare(text, Vec::new(), found)?;
    }
    Ok(())
}

fn by_word(word: &str) -> String {
    format!("SELECT properties FROM search_nodes('{word}', k => 5, mode => 'text')")
}

/// Members of labels, and how many there are of everything.
async fn labels(probe: &Probe, clients: &[ClientState]) -> Result<(), Difference> {
    let nodes = || clients.iter().flat_map(|client| &client.nodes);
    let odd = nodes().filter(|(_, v)| is_odd(**v)).map(|(uid, v)| format!("{uid}|{v}")).collect();
    let view = "MATCH (n:Odd) RETURN n.uid, n.v";
    compare(view, odd, probe.lines(view).await?)?;
    for (owner, client) in clients.iter().enumerate() {
        let view = format!("MATCH (n:C{owner}) RETURN n.uid, toString(n.word)");
        let expected = client.nodes.iter().map(|(uid, v)| format!("{uid}|{}", node_word(*uid, *v))).collect();
        compare(&view, expected, probe.lines(&view).await?)?;
    }
    let node_count = nodes().count();
    let link_count: usize = clients.iter().map(|client| client.links.len()).sum();
    for (view, count) in [
        ("MATCH (n) RETURN count(n)", node_count),
        ("MATCH (n:Item) RETURN count(n)", node_count),
        ("SELECT count(*) FROM nodes", node_count),
        ("MATCH ()-[r]->() RETURN count(r)", link_count),
        ("MATCH ()-[r:LINK]->() RETURN count(r)", link_count),
        ("SELECT count(*) FROM edges", link_count),
    ] {
        compare(view, vec![count.to_string()], probe.lines(view).await?)?;
    }
    Ok(())
}

/// The same graph as SQL reads it.
async fn relations(probe: &Probe, clients: &[ClientState]) -> Result<(), Difference> {
    let by_cypher = probe.lines("MATCH (n) RETURN id(n), n.uid").await?;
    let view = "SELECT id, labels, properties FROM nodes";
    let (mut uids, mut found, mut ids) = (BTreeMap::new(), Vec::new(), Vec::new());
    for row in probe.rows(view).await? {
        let properties = json(view, cell(view, &row, 2)?)?;
        let Some(uid) = properties["uid"].as_i64() else {
            return Err(Difference::new(view, "nodes with a uid", row.join("|")));
        };
        let id: i64 = number(view, &row, 0)?;
        let mut labels: Vec<&str> = cell(view, &row, 1)?.trim_matches(['{', '}']).split(',').collect();
        labels.sort_unstable();
        found.push(format!("{uid}|{}|{}|{}", properties["v"], properties["word"], labels.join(",")));
        ids.push(format!("{id}|{uid}"));
        uids.insert(id, uid);
    }
    let line = |(uid, v): (&i64, &i64)| {
        let odd = if is_odd(*v) { ",Odd" } else { "" };
        format!("{uid}|{v}|\"{}\"|C{},Item{odd}", node_word(*uid, *v), uid / NODES_PER_CLIENT)
    };
    compare(view, clients.iter().flat_map(|client| client.nodes.iter().map(line)).collect(), found)?;
    compare("ids by Cypher against nodes", ids, by_cypher)?;

    let view = "SELECT source, target, type, properties FROM edges";
    let mut found = Vec::new();
    for row in probe.rows(view).await? {
        let (source, target): (i64, i64) = (number(view, &row, 0)?, number(view, &row, 1)?);
        let properties = json(view, cell(view, &row, 3)?)?;
        let (Some(source), Some(target)) = (uids.get(&source), uids.get(&target)) else {
            return Err(Difference::new(view, "relationships between existing nodes", row.join("|")));
        };
        found.push(format!("{source}|{target}|{}|{}", cell(view, &row, 2)?, properties["w"]));
    }
    let line = |((source, target), w): (&(i64, i64), &i64)| format!("{source}|{target}|LINK|{w}");
    compare(view, clients.iter().flat_map(|client| client.links.iter().map(line)).collect(), found)
}

/// Single nodes by the index on `uid`, with their relationships outwards and inwards, and by their word.
async fn lookups(probe: &Probe, clients: &[ClientState], random: &mut Random, full: bool) -> Result<(), Difference> {
    uses(probe, "MATCH (n:Item {uid: 0}) RETURN n.v", "Node Index Seek using item_uid").await?;
    let (mut texts, mut answers) = (Vec::new(), Vec::new());
    for (owner, client) in clients.iter().enumerate() {
        for k in 0..NODE_KEYS {
            if !full && !random.percent(SAMPLE) {
                continue;
            }
            let uid = owner as i64 * NODES_PER_CLIENT + k;
            let v = client.nodes.get(&uid);
            texts.push(format!("MATCH (n:Item {{uid: {uid}}}) RETURN n.v"));
            answers.push(v.map(i64::to_string).into_iter().collect::<Vec<_>>());
            texts.push(format!("MATCH (a:Item {{uid: {uid}}})-[r:LINK]->(b) RETURN b.uid, r.w"));
            let links = client.links.iter();
            answers.push(links.filter(|(ends, _)| ends.0 == uid).map(|(ends, w)| format!("{}|{w}", ends.1)).collect());
            texts.push(format!("MATCH (b:Item {{uid: {uid}}})<-[r:LINK]-(a) RETURN a.uid, r.w"));
            let links = client.links.iter();
            answers.push(links.filter(|(ends, _)| ends.1 == uid).map(|(ends, w)| format!("{}|{w}", ends.0)).collect());
            if let Some(v) = v {
                let word = node_word(uid, *v);
                texts.push(format!("SELECT properties ->> 'uid' FROM search_nodes('{word}', k => 5, mode => 'text')"));
                answers.push(vec![uid.to_string()]);
            }
        }
    }
    for ((text, expected), found) in texts.iter().zip(answers).zip(probe.each(&texts).await?) {
        compare(text, expected, found)?;
    }
    Ok(())
}

/// By `v`, through the index that client 0 creates and drops, or without.
async fn values(probe: &Probe, clients: &[ClientState], random: &mut Random) -> Result<(), Difference> {
    if clients.first().is_some_and(|client| client.graph_index) {
        uses(probe, "MATCH (n:Item {v: 0}) RETURN n.uid", "Node Index Seek using item_v").await?;
    }
    for client in clients {
        let all: Vec<i64> = client.nodes.values().copied().collect();
        let Some(v) = random.pick(&all) else { continue };
        let view = format!("MATCH (n:Item {{v: {v}}}) RETURN n.uid");
        let nodes = clients.iter().flat_map(|client| &client.nodes);
        let expected = nodes.filter(|(_, held)| *held == v).map(|(uid, _)| uid.to_string()).collect();
        compare(&view, expected, probe.lines(&view).await?)?;
    }
    Ok(())
}

fn json(view: &str, text: &str) -> Result<serde_json::Value, Difference> {
    serde_json::from_str(text).map_err(|error| Difference::new(view, "JSON", format!("{text}: {error}")))
}
