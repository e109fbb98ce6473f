//! Tables, by plans built by hand.

use super::*;
use crate::algebra::*;
use crate::functions::{resolve_aggregate, resolve_operator};
use crate::statement::{ExplainOptions, OutputColumn, QueryKind};
use sinew_storage::catalog::*;
use sinew_storage::{ColumnId, DataType};

struct Tables {
    db: Fixture,
    vars: VarTable,
}

fn table_def(db: &Fixture, name: &str, columns: &[(&str, DataType, bool)]) -> TableDef {
    let (schema, name) = name.split_once('.').unwrap_or(("public", name));
    TableDef {
        id: db.transaction.allocate_relation_id().unwrap(),
        schema: schema.to_owned(),
        name: name.to_owned(),
        columns: columns
            .iter()
            .enumerate()
            .map(|(i, (name, ty, not_null))| ColumnDef {
                id: ColumnId(i as u16 + 1),
                name: (*name).to_owned(),
                ty: ty.clone(),
                not_null: *not_null,
                default: None,
                identity: None,
                virtual_expression: None,
                comment: None,
            })
            .collect(),
        next_column_id: columns.len() as u16 + 1,
        checks: Vec::new(),
        foreign_keys: Vec::new(),
        behaviour: TableBehaviour::Plain,
        version: 1,
        comment: None,
        options: Vec::new(),
        materialized: None,
    }
}

impl Tables {
    fn new() -> Tables {
        Tables { db: Fixture::new(), vars: VarTable::default() }
    }

    fn create(&self, name: &str, columns: &[(&str, DataType, bool)], key: &[u16]) -> Arc<TableDef> {
        let transaction = &self.db.transaction;
        transaction.begin_statement().unwrap();
        let table = transaction.create_table(table_def(&self.db, name, columns)).unwrap();
        if !key.is_empty() {
            let columns = key
                .iter()
                .map(|id| IndexColumn {
                    column: ColumnId(*id),
                    descending: false,
                    nulls_first: false,
                    expression: None,
                })
                .collect();
            let index = IndexDef {
                id: transaction.allocate_relation_id().unwrap(),
                schema: "public".to_owned(),
                name: format!("{name}_pkey"),
                target: IndexTarget::Table { table: table.id, columns },
                kind: IndexKind::Ordered { unique: true },
                constraint: Some(ConstraintKind::PrimaryKey),
                options: Default::default(),
            };
            transaction.create_index(index).unwrap();
        }
        transaction.finish_statement().unwrap();
        table
    }

    fn scan(&mut self, table: &Arc<TableDef>) -> (Plan, Vec<VarId>, VarId) {
        let columns: Vec<(usize, VarId)> = table
            .columns
            .iter()
            .enumerate()
            .map(|(i, column)| (i, self.vars.add(column.name.as_str(), column.ty.clone())))
            .collect();
        let row_id = self.vars.add("row_id", DataType::Int8);
        let vars = columns.iter().map(|(_, var)| *var).collect();
        let scan =
            TableScan { table: Arc::clone(table), columns, row_id: Some(row_id), access: None, computed: Vec::new() };
        (Plan::TableScan(scan), vars, row_id)
    }

    fn column(&self, var: VarId) -> Expr {
        Expr::Column(var, self.vars.ty(var).clone())
    }

    fn query(&self, plan: Plan, output: &[VarId]) -> BoundQuery {
        BoundQuery {
            plan,
            output: output
                .iter()
                .map(|var| OutputColumn {
                    name: self.vars.info(*var).name.clone(),
                    var: *var,
                    ty: self.vars.ty(*var).clone(),
                    origin: None,
                })
                .collect(),
            vars: self.vars.clone(),
            params: Vec::new(),
            param_names: Vec::new(),
            kind: QueryKind::Select,
        }
    }

    /// The rows, which every way must give.
    #[track_caller]
    fn check(&self, plan: Plan, output: &[VarId], expected: &str) {
        let query = self.query(plan, output);
        let mut wanted: Vec<String> =
            expected.split(';').map(|row| row.trim().to_owned()).filter(|row| !row.is_empty()).collect();
        wanted.sort();
        for way in WAYS {
            let plan = self.db.prepare(&query, way).unwrap();
            let (rows, _) = self.db.execute(&plan, &[]).unwrap();
            assert_eq!(shown(&rows, false), wanted, "{way:?}\n{}", super::super::describe(&plan));
        }
    }

    fn write(&self, plan: Plan, output: &[VarId]) -> Result<(Rows, u64)> {
        let plan = self.db.prepare(&self.query(plan, output), WAYS[2])?;
        self.db.execute(&plan, &[])
    }

    fn insert_plan(&mut self, table: &Arc<TableDef>, rows: &[&[Value]]) -> Insert {
        let output: Vec<VarId> = table.columns.iter().map(|column| self.vars.add("v", column.ty.clone())).collect();
        let new_row: Vec<VarId> =
            table.columns.iter().map(|column| self.vars.add(column.name.as_str(), column.ty.clone())).collect();
        let rows = rows
            .iter()
            .map(|row| {
                row.iter()
                    .zip(&table.columns)
                    .map(|(value, column)| Expr::Literal(value.clone(), column.ty.clone()))
                    .collect()
            })
            .collect();
        Insert {
            table: Arc::clone(table),
            values: output.iter().map(|var| self.column(*var)).collect(),
            source: Plan::Values { rows, output },
            new_row,
            checks: Vec::new(),
            on_conflict: None,
            returning: Vec::new(),
        }
    }

    fn insert(&mut self, table: &Arc<TableDef>, rows: &[&[Value]]) -> Result<u64> {
        let insert = self.insert_plan(table, rows);
        Ok(self.write(Plan::Insert(Box::new(insert)), &[])?.1)
    }
}

fn operator(symbol: &str, left: Expr, right: Expr) -> Expr {
    let resolved = resolve_operator(symbol, Some(&left.ty()), &right.ty()).unwrap();
    Expr::Call { ty: resolved.returns, function: resolved.function, args: vec![left, right], position: None }
}

fn int(i: i64) -> Expr {
    Expr::Literal(Value::Int(i), DataType::Int8)
}

fn row(id: i64, name: &str, group: Option<i64>) -> Vec<Value> {
    vec![Value::Int(id), Value::from(name), Value::from(group)]
}

fn filled() -> (Tables, Arc<TableDef>, Arc<TableDef>) {
    let mut t = Tables::new();
    let a = t.create(
        "a",
        &[("id", DataType::Int8, true), ("name", DataType::Text, true), ("grp", DataType::Int8, false)],
        &[1],
    );
    let b = t.create("b", &[("grp", DataType::Int8, false), ("label", DataType::Text, false)], &[]);
    let rows = [row(1, "one", Some(10)), row(2, "two", Some(20)), row(3, "three", Some(10)), row(4, "four", None)];
    let rows: Vec<&[Value]> = rows.iter().map(Vec::as_slice).collect();
    assert_eq!(t.insert(&a, &rows).unwrap(), 4);
    let rows: Vec<Vec<Value>> = vec![
        vec![Value::Int(10), Value::from("ten")],
        vec![Value::Int(10), Value::from("zehn")],
        vec![Value::Int(30), Value::from("thirty")],
        vec![Value::Null, Value::from("none")],
    ];
    let rows: Vec<&[Value]> = rows.iter().map(Vec::as_slice).collect();
    assert_eq!(t.insert(&b, &rows).unwrap(), 4);
    (t, a, b)
}

#[test]
fn joins_of_all_kinds() {
    for equality in [true, false] {
        for (kind, expected) in [
            (JoinKind::Inner, "one, ten; one, zehn; three, ten; three, zehn"),
            (JoinKind::Left, "one, ten; one, zehn; three, ten; three, zehn; two, null; four, null"),
            (JoinKind::Right, "one, ten; one, zehn; three, ten; three, zehn; null, thirty; null, none"),
            (
                JoinKind::Full,
                "one, ten; one, zehn; three, ten; three, zehn; two, null; four, null; null, thirty; null, none",
            ),
            (JoinKind::Semi, "one; three"),
            (JoinKind::Anti, "two; four"),
        ] {
            let (mut t, a, b) = filled();
            let (left, l, _) = t.scan(&a);
            let (right, r, _) = t.scan(&b);
            let mut on = vec![operator("=", t.column(l[2]), t.column(r[0]))];
            if !equality {
                // The same condition, which no hash table can answer.
                on = vec![
                    operator("<=", t.column(l[2]), t.column(r[0])),
                    operator(">=", t.column(l[2]), t.column(r[0])),
                ];
            }
            let plan = Plan::Join { kind, left: Box::new(left), right: Box::new(right), on };
            let output = match kind {
                JoinKind::Semi | JoinKind::Anti => vec![l[1]],
                _ => vec![l[1], r[1]],
            };
            t.check(plan, &output, expected);
        }
    }
}

#[test]
fn index_reads_and_the_short_path() {
    let (mut t, a, _) = filled();
    for (symbol, value, expected) in
        [("=", 2, "two"), ("=", 9, ""), (">", 2, "three; four"), (">=", 2, "two; three; four"), ("<", 2, "one")]
    {
        let (scan, vars, _) = t.scan(&a);
        let predicate = operator(symbol, t.column(vars[0]), int(value));
        let plan = Plan::Filter { input: Box::new(scan), predicate };
        let prepared = t.db.prepare(&t.query(plan.clone(), &[vars[1]]), WAYS[2]).unwrap();
        let text = super::super::describe(&prepared);
        assert!(text.contains("Index Scan using a_pkey"), "{text}");
        assert_eq!(text.contains("Short path"), symbol == "=", "{text}");
        t.check(plan, &[vars[1]], expected);
    }
    // NULL matches nothing.
    let (scan, vars, _) = t.scan(&a);
    let predicate = operator("=", t.column(vars[0]), Expr::null(DataType::Int8));
    t.check(Plan::Filter { input: Box::new(scan), predicate }, &[vars[1]], "");
}

#[test]
fn aggregates_with_distinct_filter_and_order() {
    let (mut t, a, _) = filled();
    let (scan, vars, _) = t.scan(&a);
    let mut call = |name: &str, args: Vec<Expr>| {
        let types: Vec<DataType> = args.iter().map(Expr::ty).collect();
        let resolved = resolve_aggregate(name, &types).unwrap().unwrap();
        let var = t.vars.add(name, resolved.returns.clone());
        let call = AggregateCall {
            function: resolved.function,
            args,
            distinct: false,
            filter: None,
            order_by: Vec::new(),
            ty: resolved.returns,
        };
        (var, call)
    };
    let group = Expr::Column(vars[2], DataType::Int8);
    let name = Expr::Column(vars[1], DataType::Text);
    let count = call("count", vec![]);
    let mut distinct = call("count", vec![group.clone()]);
    distinct.1.distinct = true;
    let mut filtered = call("count", vec![name.clone()]);
    filtered.1.filter = Some(operator("=", group.clone(), int(10)));
    let mut ordered = call("array_agg", vec![name.clone()]);
    ordered.1.order_by = vec![SortKey { expr: name, descending: true, nulls_first: true }];
    let aggregates = vec![count, distinct, filtered, ordered];
    let output: Vec<VarId> = aggregates.iter().map(|(var, _)| *var).collect();
    let plan = Plan::Aggregate { input: Box::new(scan.clone()), groups: Vec::new(), aggregates: aggregates.clone() };
    t.check(plan, &output, "4, 2, 2, [two three one four]");
    let key = t.vars.add("grp", DataType::Int8);
    let plan = Plan::Aggregate {
        input: Box::new(scan.clone()),
        groups: vec![(key, Expr::Column(vars[2], DataType::Int8))],
        aggregates,
    };
    let output: Vec<VarId> = std::iter::once(key).chain(output).collect();
    t.check(plan, &output, "10, 2, 1, 2, [three one]; 20, 1, 1, 0, [two]; null, 1, 0, 0, [four]");
}

#[test]
fn set_operations() {
    let values = |t: &mut Tables, items: &[i64]| {
        let var = t.vars.add("x", DataType::Int8);
        (Plan::Values { rows: items.iter().map(|i| vec![int(*i)]).collect(), output: vec![var] }, var)
    };
    for (op, all, expected) in [
        (SetOp::Union, true, "1; 1; 1; 2; 2; 3"),
        (SetOp::Union, false, "1; 2; 3"),
        (SetOp::Intersect, true, "1; 2"),
        (SetOp::Intersect, false, "1; 2"),
        (SetOp::Except, true, "1"),
        (SetOp::Except, false, ""),
    ] {
        let mut t = Tables::new();
        let (left, l) = values(&mut t, &[1, 1, 2]);
        let (right, r) = values(&mut t, &[1, 2, 3]);
        let out = t.vars.add("out", DataType::Int8);
        let plan = Plan::SetOperation {
            op,
            all,
            left: Box::new(left),
            right: Box::new(right),
            left_columns: vec![l],
            right_columns: vec![r],
            output: vec![out],
        };
        t.check(plan, &[out], expected);
    }
}

#[test]
fn recursion_by_rounds() {
    let mut t = Tables::new();
    let (base, n, next, out) = (
        t.vars.add("n", DataType::Int8),
        t.vars.add("n", DataType::Int8),
        t.vars.add("n", DataType::Int8),
        t.vars.add("n", DataType::Int8),
    );
    let cte = CteId(0);
    let scan = Plan::CteScan { cte, output: vec![n] };
    let below = Plan::Filter { input: Box::new(scan), predicate: operator("<", t.column(n), int(5)) };
    let step = operator("+", t.column(n), int(1));
    let plan = Plan::RecursiveWith {
        cte,
        base: Box::new(Plan::Values { rows: vec![vec![int(1)]], output: vec![base] }),
        base_columns: vec![base],
        recursive: Box::new(Plan::Project { input: Box::new(below), items: vec![(next, step)] }),
        recursive_columns: vec![next],
        all: true,
        body: Box::new(Plan::CteScan { cte, output: vec![out] }),
    };
    t.check(plan, &[out], "1; 2; 3; 4; 5");
}

#[test]
fn inserts_check_rows() {
    let (mut t, a, _) = filled();
    let error = t.insert(&a, &[&[Value::Int(5), Value::Null, Value::Null]]).unwrap_err();
    assert_eq!(error.sqlstate(), "23502");
    assert_eq!(error.0.message, "null value in column \"name\" of relation \"a\" violates not-null constraint");
    assert_eq!(error.0.detail.as_deref(), Some("Failing row contains (5, null, null)."));
    let error = t.insert(&a, &[&row(1, "again", None)]).unwrap_err();
    assert_eq!(error.sqlstate(), "23505");
    let mut insert = t.insert_plan(&a, &[&row(6, "six", Some(-1))]);
    insert
        .checks
        .push((RowRule::Constraint("positive".to_owned()), operator(">", t.column(insert.new_row[2]), int(0))));
    let error = t.write(Plan::Insert(Box::new(insert)), &[]).unwrap_err();
    assert_eq!(error.sqlstate(), "23514");
    assert_eq!(error.0.message, "new row for relation \"a\" violates check constraint \"positive\"");
    // NULL passes a check.
    let mut insert = t.insert_plan(&a, &[&row(6, "six", None)]);
    insert
        .checks
        .push((RowRule::Constraint("positive".to_owned()), operator(">", t.column(insert.new_row[2]), int(0))));
    let id = t.vars.add("id", DataType::Int8);
    insert.returning = vec![(id, t.column(insert.new_row[0]))];
    let (rows, count) = t.write(Plan::Insert(Box::new(insert)), &[id]).unwrap();
    assert_eq!((shown(&rows, true), count), (vec!["6".to_owned()], 1));
}

#[test]
fn on_conflict() {
    let (mut t, a, _) = filled();
    let conflict = |update| Some(OnConflict { index: None, update });
    let mut insert = t.insert_plan(&a, &[&row(1, "dup", None), &row(7, "seven", None)]);
    insert.on_conflict = conflict(None);
    assert_eq!(t.write(Plan::Insert(Box::new(insert)), &[]).unwrap().1, 1);
    let update = |t: &mut Tables| {
        let columns = [DataType::Int8, DataType::Text, DataType::Int8];
        let excluded: Vec<VarId> = columns.iter().map(|ty| t.vars.add("e", ty.clone())).collect();
        let existing: Vec<VarId> = columns.iter().map(|ty| t.vars.add("x", ty.clone())).collect();
        let assignments = vec![(1, t.column(excluded[1]))];
        ConflictUpdate { excluded, existing, assignments, filter: None }
    };
    let mut insert = t.insert_plan(&a, &[&row(1, "uno", None), &row(8, "eight", None)]);
    insert.on_conflict = conflict(Some(update(&mut t)));
    assert_eq!(t.write(Plan::Insert(Box::new(insert)), &[]).unwrap().1, 2);
    let (scan, vars, _) = t.scan(&a);
    t.check(
        scan,
        &[vars[0], vars[1], vars[2]],
        "1, uno, 10; 2, two, 20; 3, three, 10; 4, four, null; 7, seven, null; 8, eight, null",
    );
    let mut insert = t.insert_plan(&a, &[&row(9, "x", None), &row(9, "y", None)]);
    insert.on_conflict = conflict(Some(update(&mut t)));
    assert_eq!(t.write(Plan::Insert(Box::new(insert)), &[]).unwrap_err().sqlstate(), "21000");
}

#[test]
fn updates_and_deletes() {
    let (mut t, a, _) = filled();
    let (scan, vars, row_id) = t.scan(&a);
    let new_row: Vec<VarId> = a.columns.iter().map(|column| t.vars.add("n", column.ty.clone())).collect();
    let source = Plan::Filter { input: Box::new(scan), predicate: operator("=", t.column(vars[2]), int(10)) };
    // Ids move onto each other's places: the input is taken before the first write.
    let returned = t.vars.add("id", DataType::Int8);
    let update = Update {
        table: Arc::clone(&a),
        source,
        row_id,
        assignments: vec![(0, operator("+", t.column(vars[0]), int(100)))],
        returning: vec![(returned, t.column(new_row[0]))],
        new_row,
        checks: Vec::new(),
    };
    let (rows, count) = t.write(Plan::Update(Box::new(update)), &[returned]).unwrap();
    assert_eq!((shown(&rows, false), count), (vec!["101".to_owned(), "103".to_owned()], 2));
    let (scan, vars, row_id) = t.scan(&a);
    let source = Plan::Filter { input: Box::new(scan), predicate: operator("<", t.column(vars[0]), int(100)) };
    let delete = Delete { table: Arc::clone(&a), source, row_id, returning: Vec::new() };
    assert_eq!(t.write(Plan::Delete(Box::new(delete)), &[]).unwrap().1, 2);
    let (scan, vars, _) = t.scan(&a);
    t.check(scan, &[vars[1]], "one; three");
}

#[test]
fn subqueries_are_three_valued() {
    let (mut t, a, b) = filled();
    let (scan, vars, _) = t.scan(&a);
    let (inner, inner_vars, _) = t.scan(&b);
    let resolved = resolve_operator("=", Some(&DataType::Int8), &DataType::Int8).unwrap();
    let any = Expr::Subquery(Box::new(Subquery {
        kind: SubqueryKind::Any { operator: Arc::clone(&resolved.function), input: t.column(vars[2]) },
        plan: inner,
        column: Some(inner_vars[0]),
        ty: DataType::Bool,
    }));
    let plan = Plan::Filter { input: Box::new(scan.clone()), predicate: any.clone() };
    t.check(plan, &[vars[1]], "one; three");
    // The subquery has a NULL: NOT IN is never TRUE.
    let plan = Plan::Filter { input: Box::new(scan.clone()), predicate: Expr::Not(Box::new(any)) };
    t.check(plan, &[vars[1]], "");
    // A scalar subquery per row, correlated.
    let (inner, inner_vars, _) = t.scan(&b);
    let inner = Plan::Filter {
        input: Box::new(inner),
        predicate: Expr::And(vec![
            operator("=", t.column(inner_vars[0]), t.column(vars[2])),
            operator("=", t.column(inner_vars[1]), Expr::Literal(Value::from("ten"), DataType::Text)),
        ]),
    };
    let scalar = Expr::Subquery(Box::new(Subquery {
        kind: SubqueryKind::Scalar,
        plan: inner,
        column: Some(inner_vars[1]),
        ty: DataType::Text,
    }));
    let out = t.vars.add("label", DataType::Text);
    let plan = Plan::Extend { input: Box::new(scan), items: vec![(out, scalar)] };
    t.check(plan, &[vars[1], out], "one, ten; two, null; three, ten; four, null");
}

#[test]
fn explain_analyze_counts_rows() {
    let (mut t, a, _) = filled();
    let (scan, vars, _) = t.scan(&a);
    let plan = Plan::Filter { input: Box::new(scan), predicate: operator("=", t.column(vars[2]), int(10)) };
    let prepared = t.db.prepare(&t.query(plan, &[vars[0]]), WAYS[1]).unwrap();
    let options = ExplainOptions { analyze: true, costs: false, timing: false, ..ExplainOptions::default() };
    let explained = super::super::explain(&prepared, t.db.context(&[]), &options, Default::default());
    let lines = explained.unwrap();
    assert_eq!(lines[0], "Seq Scan on a (actual rows=2 loops=1)");
    assert!(lines[1].starts_with("  Filter: (") && lines[2] == "  Rows Removed by Filter: 2", "{lines:?}");
}

#[test]
fn messages_are_completed() {
    let mut t = Tables::new();
    let text = DataType::Text;
    let conversations = t.create(
        "sinew.conversations",
        &[
            ("conversation_id", text.clone(), true),
            ("title", text.clone(), false),
            ("created_at", DataType::Timestamptz, true),
        ],
        &[1],
    );
    let columns = [
        ("conversation_id", text.clone(), true),
        ("seq", DataType::Int8, true),
        ("message_id", DataType::Uuid, true),
        ("role", text.clone(), true),
        ("content", text.clone(), false),
        ("token_count", DataType::Int4, false),
        ("embedding_pending", DataType::Bool, true),
        ("created_at", DataType::Timestamptz, true),
    ];
    let transaction = Arc::clone(&t.db.transaction);
    transaction.begin_statement().unwrap();
    let mut def = table_def(&t.db, "sinew.messages", &columns);
    def.behaviour = TableBehaviour::Messages;
    let messages = transaction.create_table(def).unwrap();
    transaction
        .create_index(IndexDef {
            id: transaction.allocate_relation_id().unwrap(),
            schema: "public".to_owned(),
            name: "messages_pkey".to_owned(),
            target: IndexTarget::Table {
                table: messages.id,
                columns: [1, 2]
                    .map(|id| IndexColumn {
                        column: ColumnId(id),
                        descending: false,
                        nulls_first: false,
                        expression: None,
                    })
                    .to_vec(),
            },
            kind: IndexKind::Ordered { unique: true },
            constraint: Some(ConstraintKind::PrimaryKey),
            options: Default::default(),
        })
        .unwrap();
    transaction.finish_statement().unwrap();
    let message = |conversation: &str, content: &str| {
        let mut row = vec![Value::Null; columns.len()];
        row[0] = Value::from(conversation);
        row[3] = Value::from("user");
        row[4] = Value::from(content);
        row
    };
    let rows = [message("c1", "two words"), message("c1", "and then three"), message("c2", "")];
    let rows: Vec<&[Value]> = rows.iter().map(Vec::as_slice).collect();
    assert_eq!(t.insert(&messages, &rows).unwrap(), 3);
    let (scan, vars, _) = t.scan(&messages);
    t.check(scan, &[vars[0], vars[1], vars[5], vars[6]], "c1, 1, 2, false; c1, 2, 3, false; c2, 1, 0, false");
    let (scan, vars, _) = t.scan(&conversations);
    t.check(scan, &[vars[0], vars[1]], "c1, null; c2, null");
    let mut bad = message("c3", "x");
    bad[3] = Value::Null;
    assert_eq!(t.insert(&messages, &[&bad]).unwrap_err().sqlstate(), "23502");
}

#[test]
fn engine_tables_refuse_users() {
    let t = Tables::new();
    t.db.transaction.begin_statement().unwrap();
    let mut def = table_def(&t.db, "runs", &[("id", DataType::Int8, true)]);
    def.behaviour = TableBehaviour::EngineOnly;
    let table = t.db.transaction.create_table(def).unwrap();
    t.db.transaction.finish_statement().unwrap();
    let mut t = t;
    assert_eq!(t.insert(&table, &[&[Value::Int(1)]]).unwrap_err().sqlstate(), "42501");
}

#[test]
fn supplied_rows_are_inserted() {
    struct Source(Vec<crate::Batch>);
    impl crate::RowStream for Source {
        fn next_batch(&mut self) -> Result<Option<crate::Batch>> {
            Ok(self.0.pop())
        }
    }
    let (mut t, a, _) = filled();
    let output: Vec<VarId> = a.columns.iter().map(|column| t.vars.add("v", column.ty.clone())).collect();
    let new_row: Vec<VarId> = a.columns.iter().map(|column| t.vars.add("n", column.ty.clone())).collect();
    let insert = Insert {
        table: Arc::clone(&a),
        values: output.iter().map(|var| t.column(*var)).collect(),
        source: Plan::Supplied { output },
        new_row,
        checks: Vec::new(),
        on_conflict: None,
        returning: Vec::new(),
    };
    let plan = t.db.prepare(&t.query(Plan::Insert(Box::new(insert)), &[]), WAYS[2]).unwrap();
    let types: Arc<[DataType]> = a.columns.iter().map(|column| column.ty.clone()).collect();
    let mut builder = crate::batch::BatchBuilder::new(types);
    for id in 100..600 {
        builder.push(row(id, "many", None));
    }
    let source = Source(builder.finish().into_iter().collect());
    t.db.transaction.begin_statement().unwrap();
    let mut stream = super::super::execute_supplied(&plan, t.db.context(&[]), Box::new(source)).unwrap();
    assert!(stream.next_batch().unwrap().is_none());
    assert_eq!(stream.rows_affected(), 500);
    drop(stream);
    t.db.transaction.finish_statement().unwrap();
    assert_eq!(t.db.transaction.row_count(&a).unwrap(), 504);
}
