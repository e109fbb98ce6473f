//! Tables through every way in: sequential scan, primary key, secondary and unique index, counts.

use std::collections::BTreeMap;

use super::difference::{Difference, compare};
use super::model::{ACCOUNTS, ClientState, ITEM_KEYS, Item, OPENING_BALANCE, TAGS};
use super::observe::Observed;
use super::probe::Probe;
use super::random::Random;
use super::statements::{code, tag};

/// Chance of a key to be looked up, in percent.
const SAMPLE: u64 = 30;

pub async fn verify(probe: &Probe, observed: &Observed, random: &mut Random, full: bool) -> Result<(), Difference> {
    ranges(probe, &observed.clients).await?;
    lookups(probe, &observed.clients, random, full).await?;
    accounts(probe, observed).await?;
    for (number, client) in observed.clients.iter().enumerate() {
        side(probe, number, client).await?;
    }
    uniqueness(probe, &observed.clients, random).await
}

fn item_lines(clients: &[ClientState]) -> Vec<String> {
    let of_client = |(owner, client): (usize, &ClientState)| {
        let line = |k: &i32| {
            let item = &client.items[k];
            format!("{owner}|{k}|{}|{}|{}", item.v, tag(owner, item.tag), code(owner, *k, item.revision))
        };
        client.items.keys().map(line).collect::<Vec<_>>()
    };
    clients.iter().enumerate().flat_map(of_client).collect()
}

/// The whole table through each index: an entry too few or too many shows.
async fn ranges(probe: &Probe, clients: &[ClientState]) -> Result<(), Difference> {
    let expected = item_lines(clients);
    let mut ways = vec![("items_pkey", "owner >= 0"), ("items_tag", "tag >= 0"), ("items_code_key", "code >= ''")];
    if clients.first().is_some_and(|client| client.extra_index) {
        ways.push(("items_extra", "v >= 0"));
    }
    let all = "SELECT owner, k, v, tag, code FROM items";
    uses(probe, all, "Seq Scan on items").await?;
    for (index, condition) in ways {
        let text = format!("{all} WHERE {condition}");
        uses(probe, &text, index).await?;
        compare(&text, expected.clone(), probe.lines(&text).await?)?;
    }
    let count = probe.lines("SELECT count(*) FROM items").await?;
    compare("SELECT count(*) FROM items", vec![expected.len().to_string()], count)
}

/// Single keys, present and absent.
async fn lookups(probe: &Probe, clients: &[ClientState], random: &mut Random, full: bool) -> Result<(), Difference> {
    let (mut texts, mut answers) = (Vec::new(), Vec::new());
    for (owner, client) in clients.iter().enumerate() {
        for k in 0..ITEM_KEYS {
            if !full && !random.percent(SAMPLE) {
                continue;
            }
            let item = client.items.get(&k);
            texts.push(format!("SELECT v, tag, code FROM items WHERE owner = {owner} AND k = {k}"));
            let line = |item: &Item| format!("{}|{}|{}", item.v, tag(owner, item.tag), code(owner, k, item.revision));
            answers.push(item.map(line).into_iter().collect::<Vec<_>>());
            let revision = random.below(4) as i32;
            texts.push(format!("SELECT owner, k FROM items WHERE code = '{}'", code(owner, k, revision)));
            let has_code = item.is_some_and(|item| item.revision == revision);
            answers.push(has_code.then(|| format!("{owner}|{k}")).into_iter().collect());
        }
        for own_tag in 0..TAGS {
            texts.push(format!("SELECT owner, k FROM items WHERE tag = {}", tag(owner, own_tag)));
            let keys = client.items.iter().filter(|(_, item)| item.tag == own_tag);
            answers.push(keys.map(|(k, _)| format!("{owner}|{k}")).collect());
        }
    }
    for (text, index) in [
        ("SELECT v, tag, code FROM items WHERE owner = 0 AND k = 0", "items_pkey"),
        ("SELECT owner, k FROM items WHERE code = ''", "items_code_key"),
        ("SELECT owner, k FROM items WHERE tag = 0", "items_tag"),
    ] {
        uses(probe, text, index).await?;
    }
    let found = probe.each(&texts).await?;
    for ((text, expected), found) in texts.iter().zip(answers).zip(found) {
        compare(text, expected, found)?;
    }
    Ok(())
}

/// No transfer is half there: each account holds what all ledgers say, and the sum never moves.
async fn accounts(probe: &Probe, observed: &Observed) -> Result<(), Difference> {
    let mut expected: BTreeMap<i32, i64> = (0..ACCOUNTS).map(|id| (id, OPENING_BALANCE)).collect();
    for (account, net) in observed.clients.iter().flat_map(|client| &client.ledger) {
        *expected.entry(*account).or_default() += net;
    }
    let lines = |balances: &BTreeMap<i32, i64>| -> Vec<String> {
        balances.iter().map(|(id, held)| format!("{id}|{held}")).collect()
    };
    compare("accounts against ledgers", lines(&expected), lines(&observed.accounts))?;
    let view = "SELECT sum(balance) FROM accounts WHERE id >= 0";
    compare(view, vec![(i64::from(ACCOUNTS) * OPENING_BALANCE).to_string()], probe.lines(view).await?)
}

async fn side(probe: &Probe, number: usize, client: &ClientState) -> Result<(), Difference> {
    let Some(side) = &client.side else { return Ok(()) };
    let expected: Vec<String> = side.rows.iter().map(|(id, n)| format!("{id}|{n}")).collect();
    let mut ways = vec![(format!("side_{number}_pkey"), "id >= 0")];
    if side.has_index {
        ways.push((format!("side_{number}_n"), "n >= 0"));
    }
    for (index, condition) in ways {
        let text = format!("SELECT id, n FROM side_{number} WHERE {condition}");
        uses(probe, &text, &index).await?;
        compare(&text, expected.clone(), probe.lines(&text).await?)?;
    }
    let view = format!("SELECT count(*) FROM side_{number}");
    compare(&view, vec![expected.len().to_string()], probe.lines(&view).await?)
}

/// A key that is there is refused, whatever the index was rebuilt from.
async fn uniqueness(probe: &Probe, clients: &[ClientState], random: &mut Random) -> Result<(), Difference> {
    let owner = random.below(clients.len() as u64) as usize;
    let Some((k, item)) = clients[owner].items.first_key_value() else { return Ok(()) };
    let text = format!("INSERT INTO items VALUES ({owner}, -1, 0, 0, '{}')", code(owner, *k, item.revision));
    match probe.try_rows(&text).await {
        Err((code, _)) if code == "23505" => Ok(()),
        Err((code, message)) => Err(Difference::new(text, "23505", format!("{code}: {message}"))),
        Ok(_) => Err(Difference::new(text, "23505", "success")),
    }
}

/// A plan that does not go the way that is to be tried would hide what that way shows.
pub async fn uses(probe: &Probe, text: &str, name: &str) -> Result<(), Difference> {
    let plan = probe.plan(text).await?;
    if plan.contains(name) {
        return Ok(());
    }
    Err(Difference::new(format!("EXPLAIN {text}"), format!("a plan with {name}"), plan))
}
