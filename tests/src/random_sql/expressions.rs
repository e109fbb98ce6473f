//! Expressions of a wanted type. They do not fail: divisors are not zero, numbers stay small, indexes are in range or
//! give NULL. Without that, what is evaluated first would decide about errors, which no engine promises.

use super::generator::{Generator, Scope, sql};
use super::tree::{Node, listed, text};
use super::values::{Type, constant};

impl Generator<'_> {
    /// An expression of type `ty`, at most `depth` operators deep.
    pub fn expression(&mut self, ty: Type, depth: u32, scope: &Scope) -> Node {
        if depth == 0 || self.random.percent(15) {
            return self.leaf(ty, scope);
        }
        let depth = depth - 1;
        let node = match self.random.below(12) {
            0 => return self.leaf(ty, scope),
            1 => self.conditional(ty, depth, scope),
            2 if depth > 0 => self.scalar_subquery(ty, depth, scope),
            _ => match ty {
                Type::Bool => self.condition(depth, scope),
                Type::Int4 => self.int4(depth, scope),
                Type::Int8 => self.int8(depth, scope),
                Type::Numeric => self.numeric(depth, scope),
                Type::Float8 => self.float8(depth, scope),
                Type::Text => self.text_value(depth, scope),
                Type::Date => self.date(depth, scope),
                Type::Timestamp => self.timestamp(depth, scope),
                Type::Timestamptz => self.timestamptz(depth, scope),
                Type::Interval => self.interval(depth, scope),
                Type::Jsonb => self.jsonb(depth, scope),
                Type::IntArray => self.int_array(depth, scope),
                Type::TextArray => self.text_array(depth, scope),
            },
        };
        node.or_simpler(vec![ty.null(), ty.plain(), self.leaf(ty, scope)])
    }

    /// A column of the type, or a constant.
    fn leaf(&mut self, ty: Type, scope: &Scope) -> Node {
        let known: Vec<&Node> = scope
            .columns
            .iter()
            .chain(&scope.results)
            .filter(|(_, known)| *known == ty)
            .map(|(node, _)| node)
            .collect();
        if !known.is_empty() && self.random.percent(80) {
            let column = self.random.pick(&known).map(|node| (*node).clone());
            return column.unwrap_or_else(|| ty.plain());
        }
        constant(&mut self.random, ty)
    }

    fn conditional(&mut self, ty: Type, depth: u32, scope: &Scope) -> Node {
        let value = self.expression(ty, depth, scope);
        let other = self.expression(ty, depth, scope);
        match self.random.below(5) {
            0 => {
                let condition = self.expression(Type::Bool, depth, scope);
                sql!["CASE WHEN ", condition, " THEN ", value, sql![" ELSE ", other].optional(), " END"]
            }
            1 => {
                let subject = Type::random(&mut self.random);
                let (tested, with) = (self.expression(subject, depth, scope), self.expression(subject, depth, scope));
                sql!["CASE ", tested, " WHEN ", with, " THEN ", value, " ELSE ", other, " END"]
            }
            2 => sql!["coalesce(", value, ", ", other, ")"],
            3 => sql!["nullif(", value, ", ", other, ")"],
            _ => {
                let which = self.one_of(&["greatest", "least"]);
                sql![which, "(", value, ", ", other, ")"]
            }
        }
    }

    fn condition(&mut self, depth: u32, scope: &Scope) -> Node {
        match self.random.below(16) {
            0..=3 => {
                let ty = Type::random(&mut self.random);
                let operator = self.one_of(&[" = ", " <> ", " < ", " <= ", " > ", " >= "]);
                let (left, right) = (self.expression(ty, depth, scope), self.expression(ty, depth, scope));
                sql!["(", left, operator, right, ")"]
            }
            4..=6 => {
                let operator = self.one_of(&[" AND ", " OR "]);
                let (left, right) =
                    (self.expression(Type::Bool, depth, scope), self.expression(Type::Bool, depth, scope));
                if self.random.percent(15) {
                    sql![left, operator, right]
                } else {
                    sql!["(", left, operator, right, ")"]
                }
            }
            7 => sql!["(NOT ", self.expression(Type::Bool, depth, scope), ")"],
            8 => {
                let ty = Type::random(&mut self.random);
                let test = self.one_of(&[" IS NULL", " IS NOT NULL"]);
                sql!["(", self.expression(ty, depth, scope), test, ")"]
            }
            9 => {
                let ty = Type::random(&mut self.random);
                let test = self.one_of(&[" IS DISTINCT FROM ", " IS NOT DISTINCT FROM "]);
                let (left, right) = (self.expression(ty, depth, scope), self.expression(ty, depth, scope));
                sql!["(", left, test, right, ")"]
            }
            10 => {
                let test = self.one_of(&[" IS TRUE", " IS NOT TRUE", " IS FALSE", " IS UNKNOWN", " IS NOT UNKNOWN"]);
                sql!["(", self.expression(Type::Bool, depth, scope), test, ")"]
            }
            11 => {
                let ty = self.plain_type();
                let not = self.one_of(&["", "NOT "]);
                let value = self.expression(ty, depth, scope);
                if self.random.percent(50) {
                    let (low, high) = (self.expression(ty, depth, scope), self.expression(ty, depth, scope));
                    sql!["(", value, " ", not, "BETWEEN ", low, " AND ", high, ")"]
                } else {
                    let items = (0..self.random.between(1, 4)).map(|_| self.expression(ty, 0, scope)).collect();
                    sql!["(", value, " ", not, "IN ", listed("(", items, ", ", ")"), ")"]
                }
            }
            12 => self.text_match(depth, scope),
            13 => self.contains(depth, scope),
            14 if depth > 0 => self.subquery_condition(depth, scope),
            _ => {
                let (first, second) = (self.plain_type(), self.plain_type());
                let left = [self.expression(first, 0, scope), self.expression(second, 0, scope)];
                let right = [self.expression(first, 0, scope), self.expression(second, 0, scope)];
                let operator = self.one_of(&[" = ", " <> ", " < ", " >= "]);
                let row = |items: [Node; 2]| listed("(", items.into(), ", ", ")");
                sql!["(", row(left), operator, row(right), ")"]
            }
        }
    }

    /// A type that is compared in PostgreSQL's ordinary way.
    pub fn plain_type(&mut self) -> Type {
        const PLAIN: [Type; 6] = [Type::Int4, Type::Text, Type::Numeric, Type::Date, Type::Int8, Type::Timestamp];
        self.random.pick(&PLAIN).copied().unwrap_or(Type::Int4)
    }

    fn text_match(&mut self, depth: u32, scope: &Scope) -> Node {
        let value = self.expression(Type::Text, depth, scope);
        if self.random.percent(70) {
            let operator = self.one_of(&[" LIKE ", " NOT LIKE ", " ILIKE "]);
            let pattern = self.one_of(&["'%a%'", "'a%'", "'_'", "'%'", "''", "'a\\%b'", "'%b'", "'_\\_%'", "'ü%'"]);
            sql!["(", value, operator, pattern, ")"]
        } else {
            let operator = self.one_of(&[" ~ ", " ~* ", " !~ "]);
            let pattern = self.one_of(&["'^a'", "'b$'", "'[0-9]+'", "'a|b'", "'^$'", "'(a.)?b'", "'\\d'"]);
            sql!["(", value, operator, pattern, ")"]
        }
    }

    fn contains(&mut self, depth: u32, scope: &Scope) -> Node {
        match self.random.below(5) {
            0 => {
                let operator = self.one_of(&[" @> ", " <@ "]);
                let (left, right) =
                    (self.expression(Type::Jsonb, depth, scope), self.expression(Type::Jsonb, depth, scope));
                sql!["(", left, operator, right, ")"]
            }
            1 => {
                let key = self.one_of(&["'a'", "'b'", "'zz'"]);
                sql!["(", self.expression(Type::Jsonb, depth, scope), " ? ", key, ")"]
            }
            2 => {
                let operator = self.one_of(&[" @> ", " <@ ", " && "]);
                let (left, right) =
                    (self.expression(Type::IntArray, depth, scope), self.expression(Type::IntArray, depth, scope));
                sql!["(", left, operator, right, ")"]
            }
            3 => {
                let (quantifier, operator) = (self.one_of(&["ANY", "ALL"]), self.one_of(&[" = ", " <> ", " < "]));
                let value = self.expression(Type::Int4, depth, scope);
                let array = self.expression(Type::IntArray, depth, scope);
                sql!["(", value, operator, quantifier, " (", array, "))"]
            }
            _ => {
                let value = self.expression(Type::Text, depth, scope);
                sql!["(", value, " = ANY (", self.expression(Type::TextArray, depth, scope), "))"]
            }
        }
    }

    fn int4(&mut self, depth: u32, scope: &Scope) -> Node {
        let left = self.expression(Type::Int4, depth, scope);
        match self.random.below(12) {
            0 | 1 => {
                let operator = self.one_of(&[" + ", " - "]);
                let right = self.expression(Type::Int4, depth, scope);
                // Without parentheses, what is next to it decides about the meaning.
                if self.random.percent(15) {
                    sql![left, operator, right]
                } else {
                    sql!["(", left, operator, right, ")"]
                }
            }
            2 => sql!["(", left, " % 50 * (", self.expression(Type::Int4, depth, scope), " % 50))"],
            3 => {
                let operator = self.one_of(&[" / ", " % "]);
                sql!["(", left, operator, "nullif(", self.expression(Type::Int4, depth, scope), ", 0))"]
            }
            4 => {
                let function = self.one_of(&["abs(", "sign(", "- (", "~ ("]);
                let cast = if function == "sign(" { "::int4" } else { "" };
                sql!["(", function, left, ")", cast, ")"]
            }
            5 => {
                let function = self.one_of(&["length(", "octet_length(", "ascii(", "strpos('a b', "]);
                sql![function, self.expression(Type::Text, depth, scope), ")"]
            }
            6 => {
                let array = self.expression(Type::IntArray, depth, scope);
                if self.random.percent(50) {
                    sql!["cardinality(", array, ")"]
                } else {
                    sql!["(", array, ")[", self.random.between(0, 4).to_string(), "]"]
                }
            }
            7 => {
                let (left, right) =
                    (self.expression(Type::Date, depth, scope), self.expression(Type::Date, depth, scope));
                sql!["(", left, " - ", right, ")"]
            }
            8 => sql!["(", self.expression(Type::Bool, depth, scope), ")::int4"],
            9 => {
                let field = self.one_of(&["year", "month", "day", "dow", "doy", "week", "quarter", "isoyear"]);
                sql!["extract(", field, " FROM ", self.expression(Type::Date, depth, scope), ")::int4"]
            }
            10 => {
                let operator = self.one_of(&[" & ", " | ", " # "]);
                sql!["(", left, operator, self.expression(Type::Int4, depth, scope), ")"]
            }
            _ => sql!["(round(", self.expression(Type::Numeric, depth, scope), ") % 1000)::int4"],
        }
    }

    fn int8(&mut self, depth: u32, scope: &Scope) -> Node {
        match self.random.below(3) {
            0 => sql!["(", self.expression(Type::Int4, depth, scope), ")::int8"],
            1 => {
                let operator = self.one_of(&[" + ", " - "]);
                let left = self.expression(Type::Int8, depth, scope);
                sql!["(", left, operator, self.expression(Type::Int4, depth, scope), ")"]
            }
            _ => sql!["abs(", self.expression(Type::Int8, depth, scope), ")"],
        }
    }

    fn numeric(&mut self, depth: u32, scope: &Scope) -> Node {
        let left = self.expression(Type::Numeric, depth, scope);
        match self.random.below(8) {
            0 | 1 => {
                let operator = self.one_of(&[" + ", " - "]);
                sql!["(", left, operator, self.expression(Type::Numeric, depth, scope), ")"]
            }
            2 => {
                let ty = if self.random.percent(50) { Type::Int4 } else { Type::Numeric };
                sql!["(", left, " % 100 * (", self.expression(ty, depth, scope), " % 100))"]
            }
            3 => {
                let ty = if self.random.percent(50) { Type::Int4 } else { Type::Numeric };
                let operator = self.one_of(&[" / ", " % "]);
                // Divisors near zero would make every digit count.
                sql!["(", left, operator, "nullif(round(", self.expression(ty, depth, scope), "), 0))"]
            }
            4 => {
                let function = self.one_of(&["abs(", "ceil(", "floor(", "sign(", "trunc(", "round(", "- ("]);
                sql!["(", function, left, "))"]
            }
            5 => {
                let function = self.one_of(&["round(", "trunc("]);
                sql![function, left, ", ", self.random.between(-1, 4).to_string(), ")"]
            }
            6 => {
                let ty = if self.random.percent(50) { Type::Int4 } else { Type::Int8 };
                sql!["(", self.expression(ty, depth, scope), ")::numeric"]
            }
            _ => sql!["(round(", left, ", 8) % 100000)::numeric(10, 2)"],
        }
    }

    fn float8(&mut self, depth: u32, scope: &Scope) -> Node {
        let left = self.expression(Type::Float8, depth, scope);
        match self.random.below(4) {
            0 => {
                let operator = self.one_of(&[" + ", " - "]);
                sql!["(", left, operator, self.expression(Type::Float8, depth, scope), ")"]
            }
            1 => {
                let function = self.one_of(&["abs(", "ceil(", "floor(", "trunc(", "sign("]);
                sql![function, left, ")"]
            }
            2 => sql!["(", left, " / 2)"],
            _ => sql!["(", self.expression(Type::Int4, depth, scope), ")::float8"],
        }
    }

    fn text_value(&mut self, depth: u32, scope: &Scope) -> Node {
        let value = self.expression(Type::Text, depth, scope);
        match self.random.below(14) {
            0 | 1 => sql!["(", value, " || ", self.expression(Type::Text, depth, scope), ")"],
            2 => {
                let function = self.one_of(&["upper(", "lower(", "reverse(", "initcap(", "md5(", "btrim(", "ltrim("]);
                sql![function, value, ")"]
            }
            3 => {
                let (start, count) = (self.random.between(-1, 4), self.random.between(0, 5));
                sql!["substr(", value, format!(", {start}, {count})")]
            }
            4 => {
                let function = self.one_of(&["left(", "right("]);
                sql![function, value, ", ", self.random.between(-2, 3).to_string(), ")"]
            }
            5 => {
                let function = self.one_of(&["lpad(", "rpad("]);
                sql![function, value, ", ", self.random.between(0, 6).to_string(), ", 'xy')"]
            }
            6 => sql!["replace(", value, ", 'a', ", self.expression(Type::Text, 0, scope), ")"],
            7 => sql!["repeat(", value, ", ", self.random.between(-1, 3).to_string(), ")"],
            8 => {
                let ty = match self.random.below(5) {
                    0 => Type::Bool,
                    1 => Type::Date,
                    2 => Type::Numeric,
                    3 => Type::Jsonb,
                    _ => Type::Int4,
                };
                sql!["(", self.expression(ty, depth, scope), ")::text"]
            }
            9 => {
                let operator = self.one_of(&[" ->> 'a'", " ->> 0", " #>> '{a,b}'", " ->> -1"]);
                sql!["(", self.expression(Type::Jsonb, depth, scope), operator, ")"]
            }
            10 => {
                let number = self.expression(Type::Int4, depth, scope);
                sql!["concat_ws('-', ", value, ", ", number, ")"]
            }
            11 => sql!["array_to_string(", self.expression(Type::TextArray, depth, scope), ", ',', '*')"],
            12 => sql!["translate(", value, ", 'ab', 'xyz')"],
            _ => sql!["split_part(", value, ", 'a', ", self.random.between(1, 2).to_string(), ")"],
        }
    }

    fn date(&mut self, depth: u32, scope: &Scope) -> Node {
        match self.random.below(3) {
            0 => {
                let operator = self.one_of(&[" + ", " - "]);
                let days = self.expression(Type::Int4, depth, scope);
                sql!["(", self.expression(Type::Date, depth, scope), operator, days, ")"]
            }
            1 => sql!["(", self.expression(Type::Timestamp, depth, scope), ")::date"],
            _ => {
                let field = self.one_of(&["'month'", "'year'", "'week'", "'quarter'"]);
                sql!["date_trunc(", field, ", ", self.expression(Type::Date, depth, scope), "::timestamp)::date"]
            }
        }
    }

    fn timestamp(&mut self, depth: u32, scope: &Scope) -> Node {
        match self.random.below(4) {
            0 => {
                let operator = self.one_of(&[" + ", " - "]);
                let by = self.expression(Type::Interval, depth, scope);
                sql!["(", self.expression(Type::Timestamp, depth, scope), operator, by, ")"]
            }
            1 => sql!["(", self.expression(Type::Date, depth, scope), ")::timestamp"],
            2 if self.random.percent(50) => {
                let zone = self.one_of(&["'UTC'", "'Europe/Berlin'", "'Australia/Sydney'"]);
                sql!["(", self.expression(Type::Timestamptz, depth, scope), " AT TIME ZONE ", zone, ")"]
            }
            2 => {
                let field = self.one_of(&["'hour'", "'day'", "'month'", "'minute'", "'week'"]);
                sql!["date_trunc(", field, ", ", self.expression(Type::Timestamp, depth, scope), ")"]
            }
            _ => {
                let by = self.expression(Type::Interval, depth, scope);
                sql!["(", self.expression(Type::Date, depth, scope), " + ", by, ")"]
            }
        }
    }

    fn timestamptz(&mut self, depth: u32, scope: &Scope) -> Node {
        match self.random.below(4) {
            0 => {
                let operator = self.one_of(&[" + ", " - "]);
                let by = self.expression(Type::Interval, depth, scope);
                sql!["(", self.expression(Type::Timestamptz, depth, scope), operator, by, ")"]
            }
            1 => {
                let zone = self.one_of(&["'UTC'", "'Europe/Berlin'", "'Asia/Tokyo'", "'+03'"]);
                sql!["(", self.expression(Type::Timestamp, depth, scope), " AT TIME ZONE ", zone, ")"]
            }
            2 => sql!["(", self.expression(Type::Timestamp, depth, scope), ")::timestamptz"],
            _ => {
                let field = self.one_of(&["'hour'", "'day'", "'month'", "'week'"]);
                sql!["date_trunc(", field, ", ", self.expression(Type::Timestamptz, depth, scope), ")"]
            }
        }
    }

    fn interval(&mut self, depth: u32, scope: &Scope) -> Node {
        match self.random.below(4) {
            0 => {
                let operator = self.one_of(&[" + ", " - "]);
                let left = self.expression(Type::Interval, depth, scope);
                sql!["(", left, operator, self.expression(Type::Interval, depth, scope), ")"]
            }
            1 => {
                let left = self.expression(Type::Timestamp, depth, scope);
                sql!["(", left, " - ", self.expression(Type::Timestamp, depth, scope), ")"]
            }
            2 => {
                let factor = self.random.between(-2, 4);
                sql!["(", self.expression(Type::Interval, depth, scope), format!(" * {factor})")]
            }
            _ => {
                let function = self.one_of(&["justify_days(", "justify_hours(", "justify_interval("]);
                sql![function, self.expression(Type::Interval, depth, scope), ")"]
            }
        }
    }

    fn jsonb(&mut self, depth: u32, scope: &Scope) -> Node {
        match self.random.below(6) {
            0 => {
                let operator = self.one_of(&[" -> 'a'", " -> 0", " #> '{a,0}'", " -> -1", " -> 'b'"]);
                sql!["(", self.expression(Type::Jsonb, depth, scope), operator, ")"]
            }
            1 => {
                const SOURCES: [Type; 6] =
                    [Type::Int4, Type::Text, Type::Bool, Type::Numeric, Type::IntArray, Type::Date];
                let ty = self.random.pick(&SOURCES).copied().unwrap_or(Type::Int4);
                sql!["to_jsonb(", self.expression(ty, depth, scope), ")"]
            }
            2 => {
                let (first, second) = (Type::random(&mut self.random), Type::random(&mut self.random));
                let items = vec![self.expression(first, depth, scope), self.expression(second, depth, scope)];
                listed("jsonb_build_array(", items, ", ", ")")
            }
            3 => {
                let ty = Type::random(&mut self.random);
                let key = self.one_of(&["'a'", "'b'"]);
                sql!["jsonb_build_object(", key, ", ", self.expression(ty, depth, scope), ", 'c', 1)"]
            }
            4 => {
                let left = self.expression(Type::Jsonb, depth, scope);
                sql!["(jsonb_build_array(", left, ") || ", self.expression(Type::Jsonb, depth, scope), ")"]
            }
            _ => sql!["jsonb_strip_nulls(", self.expression(Type::Jsonb, depth, scope), ")"],
        }
    }

    fn int_array(&mut self, depth: u32, scope: &Scope) -> Node {
        let array = self.expression(Type::IntArray, depth, scope);
        match self.random.below(6) {
            0 => sql!["(", array, " || ", self.expression(Type::IntArray, depth, scope), ")"],
            1 => sql!["array_append(", array, ", ", self.expression(Type::Int4, depth, scope), ")"],
            2 => sql!["array_remove(", array, ", ", self.expression(Type::Int4, depth, scope), ")"],
            3 => {
                let items = (0..self.random.between(1, 3)).map(|_| self.expression(Type::Int4, depth, scope)).collect();
                listed("ARRAY[", items, ", ", "]")
            }
            4 => {
                let (low, high) = (self.random.between(0, 2), self.random.between(1, 4));
                sql!["(", array, format!(")[{low}:{high}]")]
            }
            _ => sql!["array_prepend(", self.expression(Type::Int4, depth, scope), ", ", array, ")"],
        }
    }

    fn text_array(&mut self, depth: u32, scope: &Scope) -> Node {
        match self.random.below(3) {
            0 => sql!["string_to_array(", self.expression(Type::Text, depth, scope), ", 'a')"],
            1 => {
                let array = self.expression(Type::TextArray, depth, scope);
                sql!["array_append(", array, ", ", self.expression(Type::Text, depth, scope), ")"]
            }
            _ => {
                let items = (0..self.random.between(1, 3)).map(|_| self.expression(Type::Text, depth, scope)).collect();
                listed("ARRAY[", items, ", ", "]")
            }
        }
    }

    /// An expression that may fail (overflow, division by zero, a text that is no number), and nothing else in it that
    /// could hide that.
    pub fn failing_expression(&mut self) -> Node {
        let number = |generator: &mut Self| {
            let numbers = ["2147483647", "-2147483648", "0", "1", "3", "65536", "9223372036854775807", "32767::int2"];
            let casts = ["", "", "", "::numeric", "::float8", "::int8"];
            text(format!("({}){}", generator.one_of(&numbers), generator.one_of(&casts)))
        };
        match self.random.below(4) {
            0 => {
                let string =
                    self.one_of(&["'12'", "'x'", "''", "' 7 '", "'1e3'", "'99999999999'", "'t'", "'2024-02-30'"]);
                let ty = self.one_of(&[
                    "int4",
                    "int2",
                    "int8",
                    "numeric",
                    "float8",
                    "bool",
                    "date",
                    "timestamp",
                    "interval",
                    "jsonb",
                    "int4[]",
                ]);
                text(format!("{string}::{ty}"))
            }
            1 => {
                let ty = self.one_of(&["int2", "int4", "int8", "numeric(4,2)", "float4", "text", "bool"]);
                sql!["(", number(self), ")::", ty]
            }
            _ => {
                let operator = self.one_of(&[" + ", " - ", " * ", " / ", " % "]);
                let (left, right) = (number(self), number(self));
                sql![left, operator, right]
            }
        }
    }
}
