//! What SHOW FUNCTIONS says of each function.

/// A function as users see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionInfo {
    pub name: &'static str,
    pub category: &'static str,
    pub signature: String,
    pub description: &'static str,
    pub aggregating: bool,
}

/// All functions by name, those of special syntax included.
pub fn function_infos() -> Vec<FunctionInfo> {
    let mut infos: Vec<FunctionInfo> = DESCRIPTIONS
        .iter()
        .map(|(name, category, signature, description)| FunctionInfo {
            name,
            category,
            signature: (*signature).to_owned(),
            description,
            aggregating: *category == "Aggregating",
        })
        .collect();
    infos.sort_by_key(|info| info.name.to_lowercase());
    infos
}

/// Name, category, signature, description.
const DESCRIPTIONS: &[(&str, &str, &str, &str)] = &[
    ("abs", "Numeric", "abs(input :: INTEGER | FLOAT) :: INTEGER | FLOAT", "The absolute value of a number."),
    ("acos", "Trigonometric", "acos(input :: FLOAT) :: FLOAT", "The arccosine, in radians."),
    (
        "all",
        "Predicate",
        "all(variable IN list :: LIST<ANY> WHERE predicate :: BOOLEAN) :: BOOLEAN",
        "Whether the predicate holds for every item of the list.",
    ),
    (
        "any",
        "Predicate",
        "any(variable IN list :: LIST<ANY> WHERE predicate :: BOOLEAN) :: BOOLEAN",
        "Whether the predicate holds for at least one item of the list.",
    ),
    ("asin", "Trigonometric", "asin(input :: FLOAT) :: FLOAT", "The arcsine, in radians."),
    ("atan", "Trigonometric", "atan(input :: FLOAT) :: FLOAT", "The arctangent, in radians."),
    ("atan2", "Trigonometric", "atan2(y :: FLOAT, x :: FLOAT) :: FLOAT", "The angle of the point (x, y), in radians."),
    ("avg", "Aggregating", "avg(input :: INTEGER | FLOAT | DURATION) :: FLOAT | DURATION", "The mean of the values."),
    (
        "btrim",
        "String",
        "btrim(input :: STRING, characters :: STRING) :: STRING",
        "A string without white space at both ends.",
    ),
    ("ceil", "Numeric", "ceil(input :: FLOAT) :: FLOAT", "The least whole number that is not below the input."),
    (
        "ceiling",
        "Numeric",
        "ceiling(input :: FLOAT) :: FLOAT",
        "The least whole number that is not below the input: ceil() by another name.",
    ),
    ("char_length", "Scalar", "char_length(input :: STRING) :: INTEGER", "The number of characters of a string."),
    (
        "character_length",
        "Scalar",
        "character_length(input :: STRING) :: INTEGER",
        "The number of characters of a string: char_length() by another name.",
    ),
    ("coalesce", "Scalar", "coalesce(input :: ANY, ...) :: ANY", "The first of the arguments that is not null."),
    ("collect", "Aggregating", "collect(input :: ANY) :: LIST<ANY>", "The values, without nulls, as a list."),
    ("cos", "Trigonometric", "cos(input :: FLOAT) :: FLOAT", "The cosine of an angle in radians."),
    ("cosh", "Trigonometric", "cosh(input :: FLOAT) :: FLOAT", "The hyperbolic cosine."),
    ("cot", "Trigonometric", "cot(input :: FLOAT) :: FLOAT", "The cotangent of an angle in radians."),
    (
        "count",
        "Aggregating",
        "count(input :: ANY) :: INTEGER",
        "The number of values that are not null; of rows as count(*).",
    ),
    (
        "date",
        "Temporal",
        "date(input :: ANY) :: DATE",
        "A date: the current one, or out of text, a map or another value.",
    ),
    ("date.realtime", "Temporal", "date.realtime(timezone :: STRING) :: DATE", "The date at the moment of the call."),
    (
        "date.statement",
        "Temporal",
        "date.statement(timezone :: STRING) :: DATE",
        "The date at which the statement began.",
    ),
    (
        "date.transaction",
        "Temporal",
        "date.transaction(timezone :: STRING) :: DATE",
        "The date at which the transaction began.",
    ),
    (
        "date.truncate",
        "Temporal",
        "date.truncate(unit :: STRING, input :: ANY, fields :: MAP) :: DATE",
        "A date at the beginning of the unit that a value lies in.",
    ),
    (
        "datetime",
        "Temporal",
        "datetime(input :: ANY) :: ZONED DATETIME",
        "A date and time with a zone: the current one, or out of text, a map or another value.",
    ),
    (
        "datetime.fromEpoch",
        "Temporal",
        "datetime.fromEpoch(seconds :: INTEGER, nanoseconds :: INTEGER) :: ZONED DATETIME",
        "The instant so long after 1970-01-01T00:00Z.",
    ),
    (
        "datetime.fromEpochMillis",
        "Temporal",
        "datetime.fromEpochMillis(milliseconds :: INTEGER) :: ZONED DATETIME",
        "The instant so many milliseconds after 1970-01-01T00:00Z.",
    ),
    (
        "datetime.realtime",
        "Temporal",
        "datetime.realtime(timezone :: STRING) :: ZONED DATETIME",
        "The date and time with a zone at the moment of the call.",
    ),
    (
        "datetime.statement",
        "Temporal",
        "datetime.statement(timezone :: STRING) :: ZONED DATETIME",
        "The date and time with a zone at which the statement began.",
    ),
    (
        "datetime.transaction",
        "Temporal",
        "datetime.transaction(timezone :: STRING) :: ZONED DATETIME",
        "The date and time with a zone at which the transaction began.",
    ),
    (
        "datetime.truncate",
        "Temporal",
        "datetime.truncate(unit :: STRING, input :: ANY, fields :: MAP) :: ZONED DATETIME",
        "A date and time with a zone at the beginning of the unit that a value lies in.",
    ),
    ("degrees", "Trigonometric", "degrees(input :: FLOAT) :: FLOAT", "Radians as degrees."),
    (
        "duration",
        "Temporal",
        "duration(input :: STRING | MAP) :: DURATION",
        "A duration out of ISO 8601 text or a map.",
    ),
    (
        "duration.between",
        "Temporal",
        "duration.between(from :: ANY, to :: ANY) :: DURATION",
        "The months, days and seconds between two points in time.",
    ),
    (
        "duration.inDays",
        "Temporal",
        "duration.inDays(from :: ANY, to :: ANY) :: DURATION",
        "The whole days between two points in time.",
    ),
    (
        "duration.inMonths",
        "Temporal",
        "duration.inMonths(from :: ANY, to :: ANY) :: DURATION",
        "The whole months between two points in time.",
    ),
    (
        "duration.inSeconds",
        "Temporal",
        "duration.inSeconds(from :: ANY, to :: ANY) :: DURATION",
        "The seconds between two points in time.",
    ),
    ("e", "Logarithmic", "e() :: FLOAT", "The base of the natural logarithm."),
    (
        "elementId",
        "Scalar",
        "elementId(input :: NODE | RELATIONSHIP) :: STRING",
        "The id of a node or relationship, as text.",
    ),
    ("endNode", "Scalar", "endNode(input :: RELATIONSHIP) :: NODE", "The node that a relationship ends at."),
    ("exists", "Predicate", "exists(input :: ANY) :: BOOLEAN", "Whether the property or pattern exists."),
    ("exp", "Logarithmic", "exp(input :: FLOAT) :: FLOAT", "e to the power of the input."),
    ("floor", "Numeric", "floor(input :: FLOAT) :: FLOAT", "The greatest whole number that is not above the input."),
    ("haversin", "Trigonometric", "haversin(input :: FLOAT) :: FLOAT", "Half the versine of an angle in radians."),
    ("head", "Scalar", "head(list :: LIST<ANY>) :: ANY", "The first item of a list, or null."),
    ("id", "Scalar", "id(input :: NODE | RELATIONSHIP) :: INTEGER", "The id of a node or relationship."),
    (
        "isEmpty",
        "Predicate",
        "isEmpty(input :: LIST<ANY> | MAP | STRING) :: BOOLEAN",
        "Whether a list, map or string has nothing in it.",
    ),
    ("isNaN", "Numeric", "isNaN(input :: INTEGER | FLOAT) :: BOOLEAN", "Whether a number is NaN."),
    (
        "keys",
        "List",
        "keys(input :: MAP | NODE | RELATIONSHIP) :: LIST<STRING>",
        "The names of all properties, or of a map's entries.",
    ),
    ("labels", "List", "labels(input :: NODE) :: LIST<STRING>", "The labels of a node."),
    ("last", "Scalar", "last(list :: LIST<ANY>) :: ANY", "The last item of a list, or null."),
    ("left", "String", "left(original :: STRING, length :: INTEGER) :: STRING", "The first characters of a string."),
    ("length", "Scalar", "length(input :: PATH) :: INTEGER", "The number of relationships of a path."),
    ("ln", "Logarithmic", "ln(input :: FLOAT) :: FLOAT", "The natural logarithm: log() by another name."),
    (
        "localdatetime",
        "Temporal",
        "localdatetime(input :: ANY) :: LOCAL DATETIME",
        "A date and local time: the current one, or out of text, a map or another value.",
    ),
    (
        "localdatetime.realtime",
        "Temporal",
        "localdatetime.realtime(timezone :: STRING) :: LOCAL DATETIME",
        "The date and local time at the moment of the call.",
    ),
    (
        "localdatetime.statement",
        "Temporal",
        "localdatetime.statement(timezone :: STRING) :: LOCAL DATETIME",
        "The date and local time at which the statement began.",
    ),
    (
        "localdatetime.transaction",
        "Temporal",
        "localdatetime.transaction(timezone :: STRING) :: LOCAL DATETIME",
        "The date and local time at which the transaction began.",
    ),
    (
        "localdatetime.truncate",
        "Temporal",
        "localdatetime.truncate(unit :: STRING, input :: ANY, fields :: MAP) :: LOCAL DATETIME",
        "A date and local time at the beginning of the unit that a value lies in.",
    ),
    (
        "localtime",
        "Temporal",
        "localtime(input :: ANY) :: LOCAL TIME",
        "A local time: the current one, or out of text, a map or another value.",
    ),
    (
        "localtime.realtime",
        "Temporal",
        "localtime.realtime(timezone :: STRING) :: LOCAL TIME",
        "The local time at the moment of the call.",
    ),
    (
        "localtime.statement",
        "Temporal",
        "localtime.statement(timezone :: STRING) :: LOCAL TIME",
        "The local time at which the statement began.",
    ),
    (
        "localtime.transaction",
        "Temporal",
        "localtime.transaction(timezone :: STRING) :: LOCAL TIME",
        "The local time at which the transaction began.",
    ),
    (
        "localtime.truncate",
        "Temporal",
        "localtime.truncate(unit :: STRING, input :: ANY, fields :: MAP) :: LOCAL TIME",
        "A local time at the beginning of the unit that a value lies in.",
    ),
    ("log", "Logarithmic", "log(input :: FLOAT) :: FLOAT", "The natural logarithm."),
    ("log10", "Logarithmic", "log10(input :: FLOAT) :: FLOAT", "The logarithm to base 10."),
    ("lower", "String", "lower(input :: STRING) :: STRING", "A string in lower case."),
    ("lTrim", "String", "lTrim(input :: STRING) :: STRING", "A string without white space at its beginning."),
    ("max", "Aggregating", "max(input :: ANY) :: ANY", "The greatest of the values."),
    ("min", "Aggregating", "min(input :: ANY) :: ANY", "The least of the values."),
    ("nodes", "List", "nodes(input :: PATH) :: LIST<NODE>", "The nodes of a path, in order."),
    (
        "none",
        "Predicate",
        "none(variable IN list :: LIST<ANY> WHERE predicate :: BOOLEAN) :: BOOLEAN",
        "Whether the predicate holds for no item of the list.",
    ),
    (
        "normalize",
        "String",
        "normalize(input :: STRING, normalForm = NFC) :: STRING",
        "A string in a normal form of Unicode.",
    ),
    ("nullIf", "Scalar", "nullIf(v1 :: ANY, v2 :: ANY) :: ANY", "Null when both values are equal, else the first one."),
    (
        "percentileCont",
        "Aggregating",
        "percentileCont(input :: FLOAT, percentile :: FLOAT) :: FLOAT",
        "The value at a percentile from 0.0 to 1.0, interpolated between neighbours.",
    ),
    (
        "percentileDisc",
        "Aggregating",
        "percentileDisc(input :: FLOAT, percentile :: FLOAT) :: INTEGER | FLOAT",
        "The value nearest to a percentile from 0.0 to 1.0.",
    ),
    ("pi", "Trigonometric", "pi() :: FLOAT", "The ratio of a circle's circumference to its diameter."),
    (
        "properties",
        "Scalar",
        "properties(input :: MAP | NODE | RELATIONSHIP) :: MAP",
        "All properties of a node or relationship.",
    ),
    ("radians", "Trigonometric", "radians(input :: FLOAT) :: FLOAT", "Degrees as radians."),
    ("rand", "Numeric", "rand() :: FLOAT", "A random number from 0 up to, and not including, 1."),
    ("randomUUID", "Scalar", "randomUUID() :: STRING", "A new random UUID."),
    (
        "range",
        "List",
        "range(start :: INTEGER, end :: INTEGER, step = 1 :: INTEGER) :: LIST<INTEGER>",
        "The integers from start to end, both included.",
    ),
    (
        "reduce",
        "List",
        "reduce(accumulator :: VARIABLE = initial :: ANY, variable IN list :: LIST<ANY> | expression :: ANY) :: ANY",
        "What the expression makes of the items one after another, beginning with the initial value.",
    ),
    (
        "relationships",
        "List",
        "relationships(input :: PATH) :: LIST<RELATIONSHIP>",
        "The relationships of a path, in order.",
    ),
    (
        "rels",
        "List",
        "rels(input :: PATH) :: LIST<RELATIONSHIP>",
        "The relationships of a path, in order: relationships() by another name.",
    ),
    (
        "replace",
        "String",
        "replace(original :: STRING, search :: STRING, replace :: STRING) :: STRING",
        "A string with every occurrence of one text replaced by another.",
    ),
    (
        "reverse",
        "List",
        "reverse(input :: STRING | LIST<ANY>) :: STRING | LIST<ANY>",
        "A list or string in reverse order.",
    ),
    ("right", "String", "right(original :: STRING, length :: INTEGER) :: STRING", "The last characters of a string."),
    (
        "round",
        "Numeric",
        "round(value :: FLOAT, precision = 0 :: INTEGER, mode = HALF_UP :: STRING) :: FLOAT",
        "A number rounded to so many digits behind the point.",
    ),
    ("rTrim", "String", "rTrim(input :: STRING) :: STRING", "A string without white space at its end."),
    ("sign", "Numeric", "sign(input :: INTEGER | FLOAT) :: INTEGER", "-1, 0 or 1: the sign of a number."),
    ("sin", "Trigonometric", "sin(input :: FLOAT) :: FLOAT", "The sine of an angle in radians."),
    (
        "single",
        "Predicate",
        "single(variable IN list :: LIST<ANY> WHERE predicate :: BOOLEAN) :: BOOLEAN",
        "Whether the predicate holds for exactly one item of the list.",
    ),
    ("sinh", "Trigonometric", "sinh(input :: FLOAT) :: FLOAT", "The hyperbolic sine."),
    (
        "size",
        "Scalar",
        "size(input :: STRING | LIST<ANY>) :: INTEGER",
        "The number of items of a list, or of characters of a string.",
    ),
    (
        "split",
        "String",
        "split(original :: STRING, delimiter :: STRING) :: LIST<STRING>",
        "The parts of a string between occurrences of a delimiter.",
    ),
    ("sqrt", "Logarithmic", "sqrt(input :: FLOAT) :: FLOAT", "The square root."),
    ("startNode", "Scalar", "startNode(input :: RELATIONSHIP) :: NODE", "The node that a relationship begins at."),
    ("stDev", "Aggregating", "stDev(input :: FLOAT) :: FLOAT", "The standard deviation of a sample."),
    ("stDevP", "Aggregating", "stDevP(input :: FLOAT) :: FLOAT", "The standard deviation of a whole population."),
    (
        "stdevPop",
        "Aggregating",
        "stdevPop(input :: FLOAT) :: FLOAT",
        "The standard deviation of a whole population: stDevP() by another name.",
    ),
    (
        "stdevSamp",
        "Aggregating",
        "stdevSamp(input :: FLOAT) :: FLOAT",
        "The standard deviation of a sample: stDev() by another name.",
    ),
    (
        "substring",
        "String",
        "substring(original :: STRING, start :: INTEGER, length :: INTEGER) :: STRING",
        "A part of a string, from a position that counts from 0; without a length, to its end.",
    ),
    (
        "sum",
        "Aggregating",
        "sum(input :: INTEGER | FLOAT | DURATION) :: INTEGER | FLOAT | DURATION",
        "The sum of the values.",
    ),
    ("tail", "List", "tail(input :: LIST<ANY>) :: LIST<ANY>", "All items of a list but the first."),
    ("tan", "Trigonometric", "tan(input :: FLOAT) :: FLOAT", "The tangent of an angle in radians."),
    ("tanh", "Trigonometric", "tanh(input :: FLOAT) :: FLOAT", "The hyperbolic tangent."),
    (
        "time",
        "Temporal",
        "time(input :: ANY) :: ZONED TIME",
        "A time with an offset: the current one, or out of text, a map or another value.",
    ),
    (
        "time.realtime",
        "Temporal",
        "time.realtime(timezone :: STRING) :: ZONED TIME",
        "The time with an offset at the moment of the call.",
    ),
    (
        "time.statement",
        "Temporal",
        "time.statement(timezone :: STRING) :: ZONED TIME",
        "The time with an offset at which the statement began.",
    ),
    (
        "time.transaction",
        "Temporal",
        "time.transaction(timezone :: STRING) :: ZONED TIME",
        "The time with an offset at which the transaction began.",
    ),
    (
        "time.truncate",
        "Temporal",
        "time.truncate(unit :: STRING, input :: ANY, fields :: MAP) :: ZONED TIME",
        "A time with an offset at the beginning of the unit that a value lies in.",
    ),
    ("timestamp", "Scalar", "timestamp() :: INTEGER", "Milliseconds since 1970-01-01T00:00Z, as of the statement."),
    (
        "toBoolean",
        "Scalar",
        "toBoolean(input :: STRING | BOOLEAN | INTEGER) :: BOOLEAN",
        "The value as a boolean; an error for a value of a kind that has none.",
    ),
    (
        "toBooleanList",
        "List",
        "toBooleanList(input :: LIST<ANY>) :: LIST<BOOLEAN>",
        "The items of a list as booleans; null for those that cannot be.",
    ),
    ("toBooleanOrNull", "Scalar", "toBooleanOrNull(input :: ANY) :: BOOLEAN", "The value as a boolean, or null."),
    (
        "toFloat",
        "Scalar",
        "toFloat(input :: STRING | INTEGER | FLOAT) :: FLOAT",
        "The value as a float; an error for a value of a kind that has none.",
    ),
    (
        "toFloatList",
        "List",
        "toFloatList(input :: LIST<ANY>) :: LIST<FLOAT>",
        "The items of a list as floats; null for those that cannot be.",
    ),
    ("toFloatOrNull", "Scalar", "toFloatOrNull(input :: ANY) :: FLOAT", "The value as a float, or null."),
    (
        "toInteger",
        "Scalar",
        "toInteger(input :: STRING | FLOAT | INTEGER | BOOLEAN) :: INTEGER",
        "The value as an integer; an error for a value of a kind that has none.",
    ),
    (
        "toIntegerList",
        "List",
        "toIntegerList(input :: LIST<ANY>) :: LIST<INTEGER>",
        "The items of a list as integers; null for those that cannot be.",
    ),
    ("toIntegerOrNull", "Scalar", "toIntegerOrNull(input :: ANY) :: INTEGER", "The value as an integer, or null."),
    ("toLower", "String", "toLower(input :: STRING) :: STRING", "A string in lower case."),
    (
        "toString",
        "Scalar",
        "toString(input :: ANY) :: STRING",
        "The value as a string; an error for a value of a kind that has none.",
    ),
    (
        "toStringList",
        "List",
        "toStringList(input :: LIST<ANY>) :: LIST<STRING>",
        "The items of a list as strings; null for those that cannot be.",
    ),
    ("toStringOrNull", "Scalar", "toStringOrNull(input :: ANY) :: STRING", "The value as a string, or null."),
    ("toUpper", "String", "toUpper(input :: STRING) :: STRING", "A string in upper case."),
    (
        "trim",
        "String",
        "trim(input :: STRING, characters :: STRING) :: STRING",
        "A string without white space at both ends.",
    ),
    ("type", "Scalar", "type(input :: RELATIONSHIP) :: STRING", "The type of a relationship."),
    ("upper", "String", "upper(input :: STRING) :: STRING", "A string in upper case."),
    ("valueType", "Scalar", "valueType(input :: ANY) :: STRING", "The type of a value, as Cypher writes it."),
    (
        "vector.similarity.cosine",
        "Vector",
        "vector.similarity.cosine(a :: LIST<INTEGER | FLOAT>, b :: LIST<INTEGER | FLOAT>) :: FLOAT",
        "How alike the directions of two vectors are, from 0 to 1.",
    ),
    (
        "vector.similarity.euclidean",
        "Vector",
        "vector.similarity.euclidean(a :: LIST<INTEGER | FLOAT>, b :: LIST<INTEGER | FLOAT>) :: FLOAT",
        "How near two vectors are, from 0 to 1.",
    ),
];

/// Names of functions and aggregates, as users write them.
pub(in crate::cypher) fn function_names() -> Vec<&'static str> {
    DESCRIPTIONS.iter().map(|(name, ..)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{AGGREGATES, TABLE};
    use super::*;

    #[test]
    fn every_function_is_described_once() {
        let callable = TABLE.functions.values().map(|function| function.display);
        let mut callable: Vec<&str> = callable.chain(AGGREGATES.values().map(|aggregate| aggregate.display)).collect();
        // Of special syntax.
        callable.extend(["all", "any", "coalesce", "exists", "none", "reduce", "single"]);
        callable.sort_unstable();
        let mut described = function_names();
        described.sort_unstable();
        assert_eq!(described, callable);
    }
}
