//! Functions, operators, aggregates, languages, access methods and operator classes.

use std::sync::Arc;

use sinew_storage::DataType;
use sinew_storage::catalog::IndexKind;

use super::identity::{BM25_OID, BTREE_OID, HEAP_OID, HNSW_OID, OWNER_OID, schema_oid};
use super::types::{ARRAY_FUNCTIONS, ARRAY_SUBSCRIPT_HANDLER, ENUM_FUNCTIONS, TYPE_FUNCTIONS};
use super::{NULL, Row, Rows, SystemRelation, definitions, no_rows, row, table};
use crate::context::ExecContext;
use crate::functions::registry::TypePattern;
use crate::functions::{self, TableFunction, Volatility};
use crate::types::{self, reg};

pub(super) static RELATIONS: &[SystemRelation] = &[
    table(
        "pg_proc",
        "oid oid, proname name, pronamespace oid, proowner oid, prolang oid, procost float4, prorows float4, \
         provariadic oid, prosupport regproc, prokind char, prosecdef bool, proleakproof bool, proisstrict bool, \
         proretset bool, provolatile char, proparallel char, pronargs int2, pronargdefaults int2, prorettype oid, \
         proargtypes oidvector, proallargtypes oid[], proargmodes char[], proargnames text[], \
         proargdefaults pg_node_tree, protrftypes oid[], prosrc text, probin text, prosqlbody pg_node_tree, \
         proconfig text[], proacl aclitem[]",
        procs,
    ),
    table(
        "pg_operator",
        "oid oid, oprname name, oprnamespace oid, oprowner oid, oprkind char, oprcanmerge bool, oprcanhash bool, \
         oprleft oid, oprright oid, oprresult oid, oprcom oid, oprnegate oid, oprcode regproc, oprrest regproc, \
         oprjoin regproc",
        operators,
    ),
    table(
        "pg_aggregate",
        "aggfnoid regproc, aggkind char, aggnumdirectargs int2, aggtransfn regproc, aggfinalfn regproc, \
         aggcombinefn regproc, aggserialfn regproc, aggdeserialfn regproc, aggmtransfn regproc, \
         aggminvtransfn regproc, aggmfinalfn regproc, aggfinalextra bool, aggmfinalextra bool, \
         aggfinalmodify char, aggmfinalmodify char, aggsortop oid, aggtranstype oid, aggtransspace int4, \
         aggmtranstype oid, aggmtransspace int4, agginitval text, aggminitval text",
        aggregates,
    ),
    table(
        "pg_language",
        "oid oid, lanname name, lanowner oid, lanispl bool, lanpltrusted bool, lanplcallfoid oid, laninline oid, \
         lanvalidator oid, lanacl aclitem[]",
        languages,
    ),
    table("pg_am", "oid oid, amname name, amhandler regproc, amtype char", access_methods),
    table(
        "pg_opclass",
        "oid oid, opcmethod oid, opcname name, opcnamespace oid, opcowner oid, opcfamily oid, opcintype oid, \
         opcdefault bool, opckeytype oid",
        operator_classes,
    ),
    table("pg_opfamily", "oid oid, opfmethod oid, opfname name, opfnamespace oid, opfowner oid", operator_families),
    table(
        "pg_amop",
        "oid oid, amopfamily oid, amoplefttype oid, amoprighttype oid, amopstrategy int2, amoppurpose char, \
         amopopr oid, amopmethod oid, amopsortfamily oid",
        no_rows,
    ),
    table(
        "pg_amproc",
        "oid oid, amprocfamily oid, amproclefttype oid, amprocrighttype oid, amprocnum int2, amproc regproc",
        no_rows,
    ),
];

const INTERNAL_LANGUAGE_OID: u32 = 12;
const CSTRING_OID: u32 = 2275;
const INTERNAL_OID: u32 = 2281;
/// First oid of table functions, which the registry does not number: they follow each other by name.
const FIRST_TABLE_FUNCTION_OID: u32 = 14_000;

/// Table functions that are PostgreSQL's; all others belong to schema `sinew`.
const POSTGRES_TABLE_FUNCTIONS: &[&str] = &[
    "generate_series",
    "generate_subscripts",
    "json_array_elements",
    "json_array_elements_text",
    "json_each",
    "json_each_text",
    "json_object_keys",
    "jsonb_array_elements",
    "jsonb_array_elements_text",
    "jsonb_each",
    "jsonb_each_text",
    "jsonb_object_keys",
    "pg_options_to_table",
    "regexp_matches",
    "regexp_split_to_table",
    "string_to_table",
    "unnest",
];

fn volatility_letter(volatility: Volatility) -> char {
    match volatility {
        Volatility::Immutable => 'i',
        Volatility::Stable => 's',
        Volatility::Volatile => 'v',
    }
}

/// What distinguishes one row of `pg_proc` from another.
struct Proc<'a> {
    oid: u32,
    name: &'a str,
    namespace: u32,
    kind: char,
    strict: bool,
    volatility: char,
    args: Vec<u32>,
    variadic: u32,
    default_count: usize,
    returns: u32,
    /// Rows expected of a set-returning function.
    rows: Option<f64>,
    /// Types, modes and names of all parameters, results included, where not just the arguments.
    all: Option<(Vec<u32>, Vec<char>, Vec<String>)>,
}

impl Proc<'_> {
    fn row(self) -> Row {
        let (types, modes, names) = match self.all {
            Some((types, modes, names)) => (Some(types), Some(modes), Some(names)),
            None => (None, None, None),
        };
        row![
            self.oid,
            self.name,
            self.namespace,
            OWNER_OID,
            INTERNAL_LANGUAGE_OID,
            1.0,
            self.rows.unwrap_or(0.0),
            self.variadic,
            0_u32,
            self.kind,
            false,
            false,
            self.strict,
            self.rows.is_some(),
            self.volatility,
            's',
            self.args.len(),
            self.default_count,
            self.returns,
            self.args,
            types,
            modes,
            names,
            NULL,
            NULL,
            self.name,
            NULL,
            NULL,
            NULL,
            NULL,
        ]
    }
}

pub(in crate::system) fn procs(context: &ExecContext) -> Rows {
    let mut rows = Vec::new();
    for definition in functions::all_functions() {
        let args: Vec<u32> = definition.params.iter().map(TypePattern::oid).collect();
        rows.push(
            Proc {
                oid: definition.oid,
                name: definition.name,
                namespace: reg::PG_CATALOG_OID,
                kind: 'f',
                strict: definition.strict,
                volatility: volatility_letter(definition.volatility),
                variadic: if definition.variadic { args.last().copied().unwrap_or(0) } else { 0 },
                args,
                default_count: 0,
                returns: definition.returns.oid(),
                rows: None,
                all: None,
            }
            .row(),
        );
    }
    for aggregate in functions::all_aggregates() {
        rows.push(
            Proc {
                oid: aggregate.oid,
                name: aggregate.name,
                namespace: reg::PG_CATALOG_OID,
                kind: 'a',
                strict: false,
                volatility: 'i',
                args: aggregate.params.iter().map(TypePattern::oid).collect(),
                variadic: 0,
                default_count: 0,
                returns: aggregate.returns.oid(),
                rows: None,
                all: None,
            }
            .row(),
        );
    }
    for window in functions::all_windows() {
        rows.push(
            Proc {
                oid: window.oid,
                name: window.name,
                namespace: reg::PG_CATALOG_OID,
                kind: 'w',
                strict: !window.params.is_empty(),
                volatility: 'i',
                args: window.params.iter().map(TypePattern::oid).collect(),
                variadic: 0,
                default_count: 0,
                returns: window.returns.oid(),
                rows: None,
                all: None,
            }
            .row(),
        );
    }
    for (name, oid, arguments, returns) in type_functions() {
        rows.push(internal_proc(name, oid, arguments, returns).row());
    }
    table_procs(context, &mut rows);
    Ok(rows)
}

/// Input and output functions of types: name, oid, arguments, result.
pub(crate) fn type_functions() -> Vec<(&'static str, u32, Vec<u32>, u32)> {
    const ANYARRAY_OID: u32 = 2277;
    const ANYENUM_OID: u32 = 3500;
    let bytea = types::type_oid(&DataType::Bytea);
    let (name, oid) = ARRAY_SUBSCRIPT_HANDLER;
    let mut all = vec![(name, oid, vec![INTERNAL_OID], INTERNAL_OID)];
    let of_types = TYPE_FUNCTIONS.iter().map(|row| (&row.functions, types::type_oid(&row.ty)));
    for (functions, ty) in of_types.chain([(&ARRAY_FUNCTIONS, ANYARRAY_OID), (&ENUM_FUNCTIONS, ANYENUM_OID)]) {
        for (at, (name, oid)) in functions.iter().enumerate() {
            let (arguments, returns) = match at {
                0 => (vec![CSTRING_OID], ty),
                1 => (vec![ty], CSTRING_OID),
                2 => (vec![INTERNAL_OID], ty),
                _ => (vec![ty], bytea),
            };
            all.push((*name, *oid, arguments, returns));
        }
    }
    all
}

fn internal_proc(name: &'static str, oid: u32, args: Vec<u32>, returns: u32) -> Proc<'static> {
    Proc {
        oid,
        name,
        namespace: reg::PG_CATALOG_OID,
        kind: 'f',
        strict: true,
        volatility: 'i',
        args,
        variadic: 0,
        default_count: 0,
        returns,
        rows: None,
        all: None,
    }
}

/// Table functions in order of name, with their oids. Cypher's procedures, whose names have dots, cannot be called from
/// SQL by a plain name and are left out.
pub(crate) fn table_functions(context: &ExecContext) -> Vec<(u32, Arc<dyn TableFunction>)> {
    let registry = &context.session.functions;
    let mut names = registry.table_function_names();
    names.retain(|name| !name.contains('.'));
    names.sort();
    names
        .iter()
        .filter_map(|name| registry.table_function(name))
        .zip(FIRST_TABLE_FUNCTION_OID..)
        .map(|(function, oid)| (oid, function))
        .collect()
}

/// Whether an oid is that of a function in schema `sinew`.
pub(crate) fn is_in_sinew(context: &ExecContext, oid: u32) -> bool {
    // Only table functions are; the others' oids tell already.
    (FIRST_TABLE_FUNCTION_OID..FIRST_TABLE_FUNCTION_OID + 900).contains(&oid)
        && table_functions(context)
            .iter()
            .any(|(known, function)| *known == oid && !is_of_postgres(&function.name().to_lowercase()))
}

fn is_of_postgres(name: &str) -> bool {
    POSTGRES_TABLE_FUNCTIONS.contains(&name)
}

fn table_procs(context: &ExecContext, rows: &mut Vec<Row>) {
    let catalog = context.transaction.catalog();
    for (oid, function) in table_functions(context) {
        let params = function.params();
        let columns = function.columns();
        let args: Vec<u32> = params.iter().map(|param| types::type_oid(&param.ty)).collect();
        let column_types = columns.iter().map(|(_, ty)| types::type_oid(ty));
        let all = (
            args.iter().copied().chain(column_types.clone()).collect(),
            params.iter().map(|_| 'i').chain(columns.iter().map(|_| 't')).collect(),
            params
                .iter()
                .map(|param| param.name.to_owned())
                .chain(columns.iter().map(|(name, _)| name.clone()))
                .collect(),
        );
        let name = function.name().to_lowercase();
        let is_postgres = is_of_postgres(&name);
        let returns = match columns {
            [] => types::type_oid(&DataType::Void),
            [(_, ty)] => types::type_oid(ty),
            _ => types::type_oid(&DataType::Record),
        };
        rows.push(
            Proc {
                oid,
                name: &name,
                namespace: if is_postgres { reg::PG_CATALOG_OID } else { schema_oid(&catalog, "sinew") },
                kind: if columns.is_empty() { 'p' } else { 'f' },
                strict: false,
                volatility: if function.writes() { 'v' } else { 's' },
                default_count: params.iter().filter(|param| param.default.is_some()).count(),
                args,
                variadic: 0,
                returns,
                rows: (!columns.is_empty()).then(|| function.estimated_rows()),
                all: Some(all),
            }
            .row(),
        );
    }
}

/// `oprcode` is 0 where PostgreSQL names the function behind: here the operator is the code.
fn operators(_: &ExecContext) -> Rows {
    let rows = functions::all_operators().map(|operator| {
        let args: Vec<u32> = operator.params.iter().map(TypePattern::oid).collect();
        let (kind, left, right) = match args.as_slice() {
            [operand] => ('l', 0, *operand),
            [left, right] => ('b', *left, *right),
            _ => ('b', 0, 0),
        };
        let is_equality = operator.name == "=";
        row![
            operator.oid,
            operator.name,
            reg::PG_CATALOG_OID,
            OWNER_OID,
            kind,
            is_equality,
            is_equality,
            left,
            right,
            operator.returns.oid(),
            0_u32,
            0_u32,
            0_u32,
            0_u32,
            0_u32,
        ]
    });
    Ok(rows.collect())
}

fn aggregates(_: &ExecContext) -> Rows {
    let rows = functions::all_aggregates().map(|aggregate| {
        row![
            aggregate.oid,
            'n',
            0_i32,
            0_u32,
            0_u32,
            0_u32,
            0_u32,
            0_u32,
            0_u32,
            0_u32,
            0_u32,
            false,
            false,
            'r',
            'r',
            0_u32,
            INTERNAL_OID,
            0_i32,
            0_u32,
            0_i32,
            NULL,
            NULL,
        ]
    });
    Ok(rows.collect())
}

fn languages(_: &ExecContext) -> Rows {
    let language =
        |oid: u32, name: &str, trusted: bool| row![oid, name, OWNER_OID, false, trusted, 0_u32, 0_u32, 0_u32, NULL];
    Ok(vec![language(INTERNAL_LANGUAGE_OID, "internal", false), language(14, "sql", true)])
}

fn access_methods(_: &ExecContext) -> Rows {
    Ok(vec![
        row![HEAP_OID, "heap", 0_u32, 't'],
        row![BTREE_OID, "btree", 0_u32, 'i'],
        row![HNSW_OID, "hnsw", 0_u32, 'i'],
        row![BM25_OID, "bm25", 0_u32, 'i'],
    ])
}

/// Operator families: oid, access method, name.
const FAMILIES: &[(u32, u32, &str)] = &[
    (397, BTREE_OID, "array_ops"),
    (424, BTREE_OID, "bool_ops"),
    (426, BTREE_OID, "bpchar_ops"),
    (428, BTREE_OID, "bytea_ops"),
    (429, BTREE_OID, "char_ops"),
    (434, BTREE_OID, "datetime_ops"),
    (1970, BTREE_OID, "float_ops"),
    (1976, BTREE_OID, "integer_ops"),
    (1982, BTREE_OID, "interval_ops"),
    (1988, BTREE_OID, "numeric_ops"),
    (1989, BTREE_OID, "oid_ops"),
    (1994, BTREE_OID, "text_ops"),
    (1996, BTREE_OID, "time_ops"),
    (2000, BTREE_OID, "timetz_ops"),
    (2968, BTREE_OID, "uuid_ops"),
    (4033, BTREE_OID, "jsonb_ops"),
    (12_010, BTREE_OID, "vector_ops"),
    (12_011, HNSW_OID, "vector_l2_ops"),
    (12_012, HNSW_OID, "vector_ip_ops"),
    (12_013, HNSW_OID, "vector_cosine_ops"),
    (12_014, BM25_OID, "text_bm25_ops"),
];

/// Operator classes: oid, name, family, type by oid, default. PostgreSQL's oids where it fixes them.
const CLASSES: &[(u32, &str, u32, u32, bool)] = &[
    (12_020, "array_ops", 397, 2277, true),
    (12_021, "bool_ops", 424, 16, true),
    (12_019, "bpchar_ops", 426, 1042, true),
    (12_022, "bytea_ops", 428, 17, true),
    (12_023, "char_ops", 429, 18, true),
    (3122, "date_ops", 434, 1082, true),
    (3128, "timestamp_ops", 434, 1114, true),
    (3127, "timestamptz_ops", 434, 1184, true),
    (12_017, "time_ops", 1996, 1083, true),
    (12_018, "timetz_ops", 2000, 1266, true),
    (12_024, "float4_ops", 1970, 700, true),
    (3123, "float8_ops", 1970, 701, true),
    (1979, "int2_ops", 1976, 21, true),
    (1978, "int4_ops", 1976, 23, true),
    (3124, "int8_ops", 1976, 20, true),
    (12_025, "interval_ops", 1982, 1186, true),
    (3125, "numeric_ops", 1988, 1700, true),
    (1981, "oid_ops", 1989, 26, true),
    (3126, "text_ops", 1994, 25, true),
    (12_026, "varchar_ops", 1994, 25, false),
    (12_027, "name_ops", 1994, 19, true),
    (12_028, "uuid_ops", 2968, 2950, true),
    (12_029, "jsonb_ops", 4033, 3802, true),
    (12_030, "vector_ops", 12_010, types::names::VECTOR_OID, true),
    (12_031, "vector_l2_ops", 12_011, types::names::VECTOR_OID, false),
    (12_032, "vector_ip_ops", 12_012, types::names::VECTOR_OID, false),
    (12_033, "vector_cosine_ops", 12_013, types::names::VECTOR_OID, false),
    (12_034, "text_bm25_ops", 12_014, 25, true),
];

/// Operator class an index uses for a column of type `ty`; 0 when the type has none.
pub(super) fn operator_class_oid(kind: &IndexKind, ty: &DataType) -> u32 {
    let by_name = |name: &str| CLASSES.iter().find(|class| class.1 == name).map_or(0, |class| class.0);
    match kind {
        IndexKind::FullText { .. } => by_name("text_bm25_ops"),
        IndexKind::Vector(options) => by_name(definitions::vector_operator_class(options.metric)),
        IndexKind::Ordered { .. } => {
            let input = match ty {
                DataType::Array(_) => 2277,
                DataType::Varchar(_) => types::type_oid(&DataType::Text),
                ty if ty.is_object_identifier() => types::type_oid(&DataType::Oid),
                ty => types::type_oid(ty),
            };
            CLASSES.iter().find(|class| class.3 == input && class.4).map_or(0, |class| class.0)
        }
    }
}

fn operator_classes(_: &ExecContext) -> Rows {
    let rows = CLASSES.iter().map(|(oid, name, family, input, default)| {
        let method = FAMILIES.iter().find(|known| known.0 == *family).map_or(0, |known| known.1);
        row![*oid, method, *name, reg::PG_CATALOG_OID, OWNER_OID, *family, *input, *default, 0_u32]
    });
    Ok(rows.collect())
}

fn operator_families(_: &ExecContext) -> Rows {
    let rows = FAMILIES.iter();
    Ok(rows.map(|(oid, method, name)| row![*oid, *method, *name, reg::PG_CATALOG_OID, OWNER_OID]).collect())
}
