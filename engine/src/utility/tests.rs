//! Statements as they are parsed.

use super::*;

fn parsed(text: &str) -> Utility {
    parse(text).unwrap().unwrap()
}

#[test]
fn transaction_control() {
    assert_eq!(
        parsed("begin isolation level repeatable read, read only"),
        Utility::Begin {
            modes: TransactionModes {
                isolation: Some(Isolation::RepeatableRead),
                read_only: Some(true),
                deferrable: None
            },
            start: false
        }
    );
    assert_eq!(parsed("ROLLBACK TO SAVEPOINT \"A\""), Utility::RollbackTo("A".into()));
    assert_eq!(parsed("END TRANSACTION"), Utility::Commit { chain: false });
    assert_eq!(parsed("commit and chain"), Utility::Commit { chain: true });
    assert_eq!(parsed("ROLLBACK WORK AND NO CHAIN"), Utility::Rollback { chain: false });
    assert_eq!(parse("commit and").unwrap_err().sqlstate(), "42601");
    assert_eq!(parse("begin nonsense").unwrap_err().sqlstate(), "42601");
    assert_eq!(parse("begin read only,").unwrap_err().sqlstate(), "42601");
    assert_eq!(parse("set transaction").unwrap_err().sqlstate(), "42601");
    assert_eq!(
        parsed("set session characteristics as transaction read write not deferrable"),
        Utility::SetTransaction {
            modes: TransactionModes { isolation: None, read_only: Some(false), deferrable: Some(false) },
            session: true
        }
    );
    assert_eq!(parse("select 1").unwrap(), None);
}

#[test]
fn lock_table_takes_its_forms() {
    let lock = |tables: &[(Option<&str>, &str)], mode, nowait| Utility::LockTable {
        tables: tables.iter().map(|(schema, name)| (schema.map(Into::into), (*name).into())).collect(),
        mode,
        nowait,
    };
    assert_eq!(parsed("LOCK t"), lock(&[(None, "t")], RelationLock::AccessExclusive, false));
    assert_eq!(
        parsed("lock table only s.\"T\" *, u in share row exclusive mode nowait"),
        lock(&[(Some("s"), "T"), (None, "u")], RelationLock::ShareRowExclusive, true)
    );
    assert_eq!(parse("lock table t in share").unwrap_err().sqlstate(), "42601");
    assert_eq!(parse("lock table t in odd mode").unwrap_err().sqlstate(), "42601");
}

#[test]
fn set_takes_its_forms() {
    let set = |name: &str, value: Option<&str>, local| Utility::Set {
        name: name.into(),
        value: value.map(Into::into),
        local,
    };
    assert_eq!(parsed("SET search_path TO a, \"B\""), set("search_path", Some("a, \"B\""), false));
    assert_eq!(parsed("set local hnsw.ef_search = 100"), set("hnsw.ef_search", Some("100"), true));
    assert_eq!(parsed("SET TIME ZONE 'Europe/Berlin'"), set("TimeZone", Some("Europe/Berlin"), false));
    assert_eq!(parsed("SET statement_timeout = DEFAULT"), set("statement_timeout", None, false));
    assert_eq!(parsed("SET extra_float_digits = -1"), set("extra_float_digits", Some("-1"), false));
    assert_eq!(parsed("set statement_timeout = '5s'"), set("statement_timeout", Some("5s"), false));
    assert_eq!(parsed("set search_path = 'Foo Bar', x"), set("search_path", Some("\"Foo Bar\", x"), false));
    assert_eq!(parsed("SET SCHEMA 's'"), set("search_path", Some("s"), false));
    assert_eq!(parsed("set names 'UTF8'"), set("client_encoding", Some("UTF8"), false));
    assert_eq!(parsed("set local role ann"), set("role", Some("ann"), true));
    for text in ["set session authorization ann", "set session session authorization 'ann'"] {
        assert_eq!(parsed(text), set("session_authorization", Some("ann"), false), "{text}");
    }
    assert_eq!(parsed("set local session authorization default"), set("session_authorization", None, true));
    assert_eq!(parsed("set time zone local"), set("TimeZone", None, false));
    assert_eq!(parsed("set xml option document"), set("xmloption", Some("document"), false));
    assert_eq!(parsed("set constraints all deferred"), Utility::SetConstraints { names: vec![], deferred: true });
    let names = vec![(None, "a".to_owned()), (Some("s".to_owned()), "B".to_owned())];
    assert_eq!(parsed("SET CONSTRAINTS A, s.\"B\" IMMEDIATE"), Utility::SetConstraints { names, deferred: false });
    assert_eq!(parsed("reset session authorization"), Utility::Reset(Some("session_authorization".into())));
    assert_eq!(parsed("show transaction isolation level"), Utility::Show(Some("transaction_isolation".into())));
    for (text, code) in [
        ("set statement_timeout = 5s", "42601"),
        ("set statement_timeout = 1, 2", "22023"),
        ("set a =", "42601"),
        ("set a = b c", "42601"),
        ("set constraints c", "42601"),
        ("set constraints deferred", "42601"),
        ("set constraints a, deferred", "42601"),
        ("do $$ begin end $$", "0A000"),
    ] {
        assert_eq!(parse(text).unwrap_err().sqlstate(), code, "{text}");
    }
}

#[test]
fn notifications() {
    assert_eq!(parsed("LISTEN Jobs"), Utility::Listen("jobs".into()));
    assert_eq!(parsed(&format!("LISTEN {}", "ä".repeat(40))), Utility::Listen("ä".repeat(31)));
    assert_eq!(parsed("UNLISTEN *"), Utility::Unlisten(None));
    assert_eq!(parsed("UNLISTEN \"A b\""), Utility::Unlisten(Some("A b".into())));
    let notify = |payload: &str| Utility::Notify { channel: "c".into(), payload: payload.into() };
    assert_eq!(parsed("NOTIFY c"), notify(""));
    assert_eq!(parsed("NOTIFY c, 'it''s'"), notify("it's"));
    assert_eq!(parsed("NOTIFY c, E'a\\nb'"), notify("a\nb"));
    assert_eq!(parsed("NOTIFY c, $x$it's$x$"), notify("it's"));
    for text in ["LISTEN", "LISTEN 'c'", "LISTEN a b", "NOTIFY c,", "NOTIFY c, x", "NOTIFY c 'x'", "UNLISTEN"] {
        assert_eq!(parse(text).unwrap_err().sqlstate(), "42601", "{text}");
    }
}

#[test]
fn maintenance() {
    assert_eq!(parsed("BACKUP TO '/tmp/it''s'"), Utility::Backup("/tmp/it's".into()));
    assert_eq!(parsed("check Database"), Utility::CheckDatabase);
    for text in ["BACKUP", "BACKUP TO here", "BACKUP TO 'a' 'b'", "BACKUP TO E'a'", "CHECK", "CHECK DATABASE x"] {
        assert_eq!(parse(text).unwrap_err().sqlstate(), "42601", "{text}");
    }
}

#[test]
fn prepare_and_cursors() {
    assert_eq!(
        parsed("PREPARE p(int, numeric(10,2)) AS SELECT $1, $2"),
        Utility::Prepare {
            name: "p".into(),
            types: vec!["int".into(), "numeric(10,2)".into()],
            text: "SELECT $1, $2".into(),
            offset_chars: 33,
            source: "PREPARE p(int, numeric(10,2)) AS SELECT $1, $2".into(),
        }
    );
    assert_eq!(parsed("EXECUTE p(1, 'a')"), Utility::Execute { name: "p".into(), args: Some("1, 'a'".into()) });
    let explained = |options: &str, args: Option<&str>| Utility::ExplainExecute {
        options: options.into(),
        name: "p".into(),
        args: args.map(Into::into),
    };
    assert_eq!(parsed("EXPLAIN EXECUTE p"), explained("", None));
    assert_eq!(parsed("explain (costs off) execute p(1)"), explained("(costs off)", Some("1")));
    assert_eq!(parsed("explain analyze verbose execute p"), explained("analyze verbose", None));
    assert_eq!(parse("EXPLAIN SELECT 1").unwrap(), None);
    let text = "DECLARE c BINARY NO SCROLL CURSOR WITH HOLD FOR SELECT 1";
    assert_eq!(
        parsed(text),
        Utility::Declare {
            name: "c".into(),
            options: CursorOptions { binary: true, hold: true, ..CursorOptions::default() },
            text: "SELECT 1".into(),
            offset_chars: 48,
            source: text.into(),
        }
    );
    assert_eq!(parse("declare c scroll no scroll cursor for select 1").unwrap_err().sqlstate(), "42P11");
}

#[test]
fn fetch_takes_its_directions() {
    for (text, direction) in [
        ("FETCH c", Direction::Forward(Some(1))),
        ("FETCH FORWARD 10 FROM c", Direction::Forward(Some(10))),
        ("FETCH ALL c", Direction::Forward(None)),
        ("FETCH -3 IN c", Direction::Backward(Some(3))),
        ("FETCH 0 c", Direction::Forward(Some(0))),
        ("FETCH PRIOR c", Direction::Backward(Some(1))),
        ("FETCH BACKWARD ALL FROM c", Direction::Backward(None)),
        ("FETCH BACKWARD c", Direction::Backward(Some(1))),
        ("FETCH FIRST FROM c", Direction::Absolute(1)),
        ("FETCH LAST FROM c", Direction::Absolute(-1)),
        ("FETCH ABSOLUTE -2 FROM c", Direction::Absolute(-2)),
        ("FETCH RELATIVE 0 FROM c", Direction::Relative(0)),
    ] {
        assert_eq!(parsed(text), Utility::Fetch { direction, name: "c".into(), skip: false }, "{text}");
    }
    for text in ["FETCH ABSOLUTE c", "FETCH 99999999999 c", "FETCH - c", "FETCH"] {
        assert_eq!(parse(text).unwrap_err().sqlstate(), "42601", "{text}");
    }
}

#[test]
fn parameters_stand_in_the_query_of_a_cursor_only() {
    assert!(parse("DECLARE c CURSOR FOR SELECT $1").is_ok());
    assert!(parse("PREPARE p AS SELECT $1").is_ok());
    assert_eq!(parse("DECLARE c CURSOR FOR DECLARE d CURSOR FOR SELECT 1").unwrap_err().sqlstate(), "42601");
    let error = parse("SET statement_timeout = $1").unwrap_err();
    assert_eq!((error.sqlstate(), error.0.position), ("42601", Some(25)));
    assert_eq!(error.0.message, "syntax error at or near \"$1\"");
    let error = parse("EXECUTE p($1)").unwrap_err();
    assert_eq!((error.sqlstate(), error.0.position), ("42P02", Some(11)));
}

#[test]
fn where_current_of() {
    let positioned = |text: &str| match parsed(text) {
        Utility::Positioned(positioned) => *positioned,
        other => panic!("{text}: {other:?}"),
    };
    let update = positioned("UPDATE s.t SET a = $2 WHERE CURRENT OF \"C\" RETURNING a");
    assert_eq!((update.schema.as_deref(), update.table.as_str(), update.cursor.as_str()), (Some("s"), "t", "C"));
    assert_eq!(update.with_condition("x"), "UPDATE s.t SET a = $2 WHERE x RETURNING a");
    assert_eq!(update.parameter_count, 2);
    assert_eq!(positioned("delete from only t where current of c").with_condition("x"), "delete from only t where x");
    assert_eq!(parse("UPDATE t SET a = (SELECT 1 WHERE CURRENT OF c)").unwrap(), None);
    assert_eq!(parse("DELETE FROM t WHERE a = 1").unwrap(), None);
    assert_eq!(parse("DELETE FROM t WHERE CURRENT OF").unwrap_err().sqlstate(), "42601");
}
