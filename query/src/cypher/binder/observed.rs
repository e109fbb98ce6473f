//! Types by what was ever stored: properties, and what is computed from them.
//!
//! The catalog keeps the kinds of values that a property ever had, by label and relationship type. An expression is bound
//! without them first, so that no statement is refused for what happens to be stored; what is projected is then looked
//! through again. Variables that have their type from there are remembered for the same reason. Certain as long as the statement writes nothing: one that was prepared before somebody stored another kind is
//! planned anew.

use sinew_storage::PropertyKeyId;
use sinew_storage::graph::{ObservedTypes, PropertyOwner};

use super::types::{NUMBER, common, is_number, own, result_type};
use super::*;
use crate::algebra::visit;

/// What is known of a projected expression.
pub(super) struct Refined {
    /// [`NUMBER`] for what may be an integer or a float.
    pub ty: DataType,
    /// It is known by what was stored.
    pub is_observed: bool,
}

/// Labels or types asked for their observed types when a variable has none of its own.
const OWNERS_ASKED: usize = 256;

impl Binder<'_> {
    /// The type of `var.key` by what was ever stored; [`NUMBER`] is one.
    pub(super) fn observed_type(&self, var: VarId, key: &str) -> DataType {
        let transaction = self.context.transaction;
        let Some(key) = transaction.property_key_id(key) else { return DataType::Any };
        let nothing = Default::default();
        let facts = self.facts.get(&var).unwrap_or(&nothing);
        if facts.labels.is_empty() && facts.types.is_empty() {
            let union = match self.vars.ty(var) {
                DataType::Node => self.observed_on_any_node(key),
                DataType::Relationship => self.observed_on_any_relationship(key),
                _ => return DataType::Any,
            };
            return union.map_or(DataType::Any, certain_type);
        }
        let labels = facts.labels.iter().filter_map(|label| transaction.label_id(label));
        // A node has all of the labels.
        let held = labels.map(|label| transaction.observed_types(PropertyOwner::Label(label), key).0);
        if let Some(held) = held.reduce(|all, of_one| all & of_one) {
            return certain_type(ObservedTypes(held));
        }
        let types = facts.types.iter().filter_map(|ty| transaction.relationship_type_id(ty));
        let held = types.map(|ty| transaction.observed_types(PropertyOwner::RelationshipType(ty), key));
        certain_type(held.fold(ObservedTypes::default(), ObservedTypes::union))
    }

    /// What any node holds under `key`; None with too many labels to ask.
    fn observed_on_any_node(&self, key: PropertyKeyId) -> Option<ObservedTypes> {
        let transaction = self.context.transaction;
        let labels = transaction.label_names();
        if labels.len() > OWNERS_ASKED {
            return None;
        }
        let unlabeled = transaction.observed_types(PropertyOwner::Unlabeled, key);
        Some(
            labels.iter().filter_map(|name| transaction.label_id(name)).fold(unlabeled, |union, label| {
                union.union(transaction.observed_types(PropertyOwner::Label(label), key))
            }),
        )
    }

    /// What any relationship holds under `key`; None with too many types to ask.
    fn observed_on_any_relationship(&self, key: PropertyKeyId) -> Option<ObservedTypes> {
        let transaction = self.context.transaction;
        let types = transaction.relationship_type_names();
        if types.len() > OWNERS_ASKED {
            return None;
        }
        Some(
            types
                .iter()
                .filter_map(|name| transaction.relationship_type_id(name))
                .fold(ObservedTypes::default(), |union, ty| {
                    union.union(transaction.observed_types(PropertyOwner::RelationshipType(ty), key))
                }),
        )
    }

    /// Gives a projected expression and its parts the types that are certain by what was stored.
    pub(super) fn refine(&self, expr: &mut Expr) -> Refined {
        let before = expr.ty();
        let ty = if self.statement_writes { before.clone() } else { self.type_by_observation(expr) };
        let is_observed = ty != before || self.reads_observed(expr);
        Refined { ty, is_observed }
    }

    /// Remembers what is known of a variable that holds the value.
    pub(super) fn note_refined(&mut self, var: VarId, refined: &Refined) {
        if refined.ty == NUMBER {
            self.numbers.insert(var);
        }
        if refined.is_observed {
            self.observed.insert(var);
        }
    }

    /// Remembers of `to` what is known of `from`, whose value it has or is an element of.
    pub(super) fn note_same(&mut self, to: VarId, from: &Expr) {
        if self.reads_observed(from) {
            self.observed.insert(to);
        }
        if let Expr::Column(from, _) = from
            && self.numbers.contains(from)
        {
            self.numbers.insert(to);
        }
    }

    pub(super) fn reads_observed(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Column(var, _) => self.observed.contains(var),
            other => visit::children(other).into_iter().any(|child| self.reads_observed(child)),
        }
    }

    /// The type that an expression has whatever is stored: a statement is refused by nothing else.
    pub(super) fn static_type(&self, expr: &Expr) -> DataType {
        if self.reads_observed(expr) { own(&self.derive(&mut expr.clone(), false)) } else { expr.ty() }
    }

    /// The type by what was stored, which the parts are given too; [`NUMBER`] for what may be an integer or a float.
    pub(super) fn type_by_observation(&self, expr: &mut Expr) -> DataType {
        self.derive(expr, true)
    }

    /// `observing` or else as if nothing were known of what is stored.
    fn derive(&self, expr: &mut Expr, observing: bool) -> DataType {
        let (ty, found) = match expr {
            Expr::Column(var, _) if !observing && self.observed.contains(var) => return DataType::Any,
            Expr::Column(var, _) if self.numbers.contains(var) => return NUMBER,
            Expr::Property { input, key, ty } => {
                let found = match (self.derive(input, observing), &**input) {
                    (DataType::Node | DataType::Relationship, Expr::Column(var, _)) if observing => {
                        self.observed_type(*var, key)
                    }
                    (DataType::Temporal(kind), _) => temporal::component_type(kind, key),
                    _ => ty.clone(),
                };
                (ty, found)
            }
            Expr::Call { function, args, ty, .. } => {
                let types: Vec<DataType> = args.iter_mut().map(|arg| self.derive(arg, observing)).collect();
                let found = result_type(function.name, args, &types).unwrap_or_else(|| ty.clone());
                (ty, found)
            }
            Expr::Case { branches, otherwise, ty } => {
                let results = branches.iter_mut().map(|(_, value)| value).chain(otherwise.as_deref_mut());
                let found = self.one_of(results, observing);
                (ty, found)
            }
            Expr::Coalesce(items, ty) => {
                let found = self.one_of(items, observing);
                (ty, found)
            }
            Expr::List(items, ty) => {
                let types: Vec<DataType> = items.iter_mut().map(|item| own(&self.derive(item, observing))).collect();
                (ty, DataType::array_of(common(&types)))
            }
            other => return own(&other.ty()),
        };
        *ty = own(&found);
        found
    }

    /// Of a value that is one of these.
    fn one_of<'e>(&self, exprs: impl IntoIterator<Item = &'e mut Expr>, observing: bool) -> DataType {
        let (mut types, mut observed) = (Vec::new(), false);
        for expr in exprs {
            if matches!(expr, Expr::Literal(Value::Null, _)) {
                continue;
            }
            types.push(self.derive(expr, observing));
            observed |= reads_property(expr);
        }
        // Literals alone keep their kinds.
        if types.iter().all(is_number) && (observed || types.contains(&NUMBER)) && common(&types) == DataType::Any {
            return NUMBER;
        }
        common(&types)
    }
}

fn reads_property(expr: &Expr) -> bool {
    matches!(expr, Expr::Property { .. }) || visit::children(expr).into_iter().any(reads_property)
}

/// The type that holds values of all these kinds; Any when none does.
fn certain_type(observed: ObservedTypes) -> DataType {
    const INT_OR_FLOAT: u16 = ObservedTypes::INT | ObservedTypes::FLOAT;
    match observed.0 {
        ObservedTypes::BOOL => DataType::Bool,
        ObservedTypes::INT => DataType::Int8,
        ObservedTypes::FLOAT => DataType::Float8,
        INT_OR_FLOAT => NUMBER,
        ObservedTypes::TEXT => DataType::Text,
        ObservedTypes::LIST => DataType::array_of(DataType::Any),
        ObservedTypes::DATE_TIME => DataType::Temporal(TemporalKind::DateTime),
        ObservedTypes::LOCAL_DATE_TIME => DataType::Temporal(TemporalKind::LocalDateTime),
        ObservedTypes::DATE => DataType::Temporal(TemporalKind::Date),
        ObservedTypes::TIME => DataType::Temporal(TemporalKind::Time),
        ObservedTypes::LOCAL_TIME => DataType::Temporal(TemporalKind::LocalTime),
        ObservedTypes::DURATION => DataType::Temporal(TemporalKind::Duration),
        _ => DataType::Any,
    }
}
