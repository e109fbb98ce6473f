//! pgvector's operators.

use sinew_storage::Value;

use super::args::vector;
use super::registry::Table;
use super::vector::{combine, cosine_distance, euclidean_distance, inner_product, l1_distance};

pub(super) fn register(t: &mut Table) {
    t.section("Vector operators");
    t.op("vector <-> vector -> float8", |_, a| Ok(Value::Float(euclidean_distance(vector(&a[0])?, vector(&a[1])?)?)));
    t.op("vector <=> vector -> float8", |_, a| Ok(Value::Float(cosine_distance(vector(&a[0])?, vector(&a[1])?)?)));
    t.op("vector <#> vector -> float8", |_, a| Ok(Value::Float(-inner_product(vector(&a[0])?, vector(&a[1])?)?)));
    t.op("vector <+> vector -> float8", |_, a| Ok(Value::Float(l1_distance(vector(&a[0])?, vector(&a[1])?)?)));
    t.op("vector + vector -> vector", |_, a| combine(&a[0], &a[1], |x, y| x + y));
    t.op("vector - vector -> vector", |_, a| combine(&a[0], &a[1], |x, y| x - y));
    t.op("vector * vector -> vector", |_, a| combine(&a[0], &a[1], |x, y| x * y));
    t.op("vector || vector -> vector", |_, a| {
        let joined = [vector(&a[0])?, vector(&a[1])?].concat();
        Ok(Value::Vector(crate::types::vector::check(joined, None)?.into()))
    });
}
