//! Counts the rows of a table in ranges of keys, and sums those up.
//!
//! Sums cost the server a fifth of what keys cost it in their order, and us nothing: of a million rows a few thousand counts are sent.
//! What the server does for every row decides what an increment takes. Of numbers between 2000 bounds a shift finds the range soonest; where the
//! bounds do not lie as a shift cuts, among reals, which the server compares without calling a function.

use super::session::Session;
use super::sql::ident;
use super::table::Table;
use super::written::{numbers, odd};
use crate::sources::{Result, Tally};

/// So many parts may lie beyond the bounds, and twice as many as there are bounds: rows that lie far apart there are counted otherwise, since
/// every one would be a part of its own.
const PARTS_BEYOND: usize = 1024;

/// Counts the rows between `bounds`, which ascend; none where keys are not made of whole numbers.
///
/// # Errors
/// What the server says.
pub fn tally(session: &mut Session, table: &Table, bounds: &[i64]) -> Result<Option<Vec<Tally>>> {
    let Some(key) = numbers(table) else { return Ok(None) };
    let columns: Vec<String> = key.iter().map(|&column| whole(table, column)).collect();
    let Some(first) = columns.first() else { return Ok(None) };
    // The planner takes every row for a range of its own, and would sort them, compile the statement, or fetch rows by an index.
    let settings = ["jit", "enable_sort", "enable_indexscan", "enable_indexonlyscan"];
    let off = settings.map(|setting| format!("SET {setting} = off;")).concat();
    let back = settings.map(|setting| format!("RESET {setting};")).concat();
    let sums = columns.iter().map(|column| format!(", pg_catalog.sum({column})")).collect::<String>();
    let counted =
        |part: &str, most: usize| format!("{off} SELECT {part}, count(*){sums} FROM {} GROUP BY 1 LIMIT {most}; {back}", table.source());
    if let Some(even) = Even::of(bounds) {
        let most = 2 * bounds.len() + PARTS_BEYOND;
        let parts = session.rows(&counted(&format!("{first} >> {}", even.shift), most))?;
        if parts.len() < most {
            return put_together(table, &parts, (bounds.len(), columns.len()), |part| even.range(part)).map(Some);
        }
    }
    let parts = session.rows(&counted(&bucket(first, bounds), bounds.len() + 2))?;
    put_together(table, &parts, (bounds.len(), columns.len()), |part| usize::try_from(part).unwrap_or(usize::MAX)).map(Some)
}

/// What was counted in each range, from what was counted in parts of them.
fn put_together(
    table: &Table,
    parts: &[Vec<Option<String>>],
    (bounds, columns): (usize, usize),
    range: impl Fn(i64) -> usize,
) -> Result<Vec<Tally>> {
    let mut tallies = vec![Tally { rows: 0, sums: vec![0; columns] }; bounds + 1];
    for row in parts {
        let (part, tally) = counted_in(row, columns).ok_or_else(|| odd(table))?;
        let into = tallies.get_mut(range(part)).ok_or_else(|| odd(table))?;
        into.rows += tally.rows;
        into.sums.iter_mut().zip(tally.sums).for_each(|(into, sum)| *into += sum);
    }
    Ok(tallies)
}

/// Bounds that lie as a shift cuts: each is the next multiple of a power of two.
#[derive(Debug, PartialEq, Eq)]
struct Even {
    shift: u32,
    /// The first and the last bound, shifted.
    from: i64,
    to: i64,
}

impl Even {
    fn of(bounds: &[i64]) -> Option<Self> {
        let [first, second, ..] = bounds else { return None };
        let width = second.checked_sub(*first).filter(|width| width.count_ones() == 1 && *width > 0)?;
        let shift = width.trailing_zeros();
        let (from, to) = (first >> shift, bounds.last()? >> shift);
        let is_even = from << shift == *first && bounds.windows(2).all(|pair| pair[1].checked_sub(pair[0]) == Some(width));
        is_even.then_some(Self { shift, from, to })
    }

    /// The range of numbers that shifted are this one: beyond the bounds all have the first, or the last.
    fn range(&self, part: i64) -> usize {
        let (part, from, to) = (i128::from(part), i128::from(self.from), i128::from(self.to));
        usize::try_from((part.min(to) - from + 1).max(0)).unwrap_or(usize::MAX)
    }
}

/// The number of bounds that are not above `first`.
///
/// As a real a number is rounded to the nearest one, and rounding keeps the order. A bound above -2^53 and up to 2^53 stays what it is,
/// and so does the whole number below it: what is less than the bound is rounded to that one at most, and what is not less to the bound
/// at least. So the comparison of reals says what that of the numbers says. Of bounds further out it does not.
fn bucket(first: &str, bounds: &[i64]) -> String {
    let exact = 1 << 53;
    let list = bounds.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    if bounds.iter().all(|bound| (1 - exact..=exact).contains(bound)) {
        format!("pg_catalog.width_bucket({first}::pg_catalog.float8, '{{{list}}}'::pg_catalog.float8[])")
    } else {
        format!("pg_catalog.width_bucket({first}, '{{{list}}}'::pg_catalog.int8[])")
    }
}

/// A part and its tally.
fn counted_in(row: &[Option<String>], columns: usize) -> Option<(i64, Tally)> {
    let [part, rows, sums @ ..] = row else { return None };
    let sums: Vec<i128> = sums.iter().map(|sum| sum.as_ref()?.parse().ok()).collect::<Option<_>>()?;
    let tally = Tally { rows: rows.as_ref()?.parse().ok()?, sums };
    (tally.sums.len() == columns).then_some((part.as_ref()?.parse().ok()?, tally))
}

/// A column as a number of 64 bits: one of the type oid has no sum of its own.
fn whole(table: &Table, column: usize) -> String {
    let name = table.relation.columns.get(column).map(|column| ident(&column.name)).unwrap_or_default();
    format!("{name}::pg_catalog.int8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bounds_that_lie_as_a_shift_cuts_are_even() {
        let even = |shift, from, to| Some(Even { shift, from, to });
        assert_eq!(Even::of(&[0, 256, 512]), even(8, 0, 2));
        assert_eq!(Even::of(&[-3, -2, -1, 0]), even(0, -3, 0));
        assert_eq!(Even::of(&[-1024, -512, 0]), even(9, -2, 0));
        assert_eq!(Even::of(&[i64::MIN, i64::MIN + (1 << 62), 0, 1 << 62]), even(62, -2, 1));
        assert_eq!(Even::of(&[i64::MAX - 1, i64::MAX]), even(0, i64::MAX - 1, i64::MAX));
        let ranges = |even: Even, parts: [i64; 6]| parts.map(|part| even.range(part));
        assert_eq!(ranges(Even { shift: 8, from: -1, to: 1 }, [i64::MIN, -2, -1, 1, 2, i64::MAX]), [0, 0, 1, 3, 3, 3]);
        assert_eq!(ranges(Even { shift: 0, from: i64::MIN, to: -9 }, [i64::MIN, i64::MIN + 1, -9, -8, 0, i64::MAX]).first(), Some(&1));
        for other in [&[][..], &[7], &[0, 3], &[1, 3, 5], &[0, 2, 3], &[0, 2, 6], &[i64::MIN, 0], &[i64::MIN, i64::MAX]] {
            assert_eq!(Even::of(other), None, "{other:?}");
        }
    }

    #[test]
    fn bounds_are_reals_only_where_reals_tell_every_number_from_them() {
        let is_real = |bounds: &[i64]| bucket("id", bounds).contains("float8");
        let exact = 1_i64 << 53;
        assert!(is_real(&[]) && is_real(&[-7, 0, 9]) && is_real(&[1 - exact, exact]));
        assert!(!is_real(&[-exact, 0]) && !is_real(&[0, exact + 1]) && !is_real(&[i64::MIN]) && !is_real(&[i64::MAX]));
        // What the rule rests on, where it is nearest to breaking.
        #[allow(clippy::cast_precision_loss)]
        let real = |number: i64| number as f64;
        assert!([1 - exact, 0, exact].into_iter().all(|bound| real(bound - 1) < real(bound) && real(bound + 1) >= real(bound)));
        assert!(real(-exact - 1) >= real(-exact) && real(exact) >= real(exact + 1), "one further out it breaks");
    }
}
