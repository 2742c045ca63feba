//! A window of the records of a model that differ: a plan may hold millions, the screen a page or two.
//!
//! A plan never changes, so a record's place in it is its key: the window can be anywhere, and the end is known from the start.

use super::list::{Motion, scroll};
use super::plan::PlanRow;

/// The records that are asked for at once, and all that are kept.
pub const WINDOW: usize = 400;

/// The window, and where in the whole the selection stands.
#[derive(Clone, Debug, Default)]
pub struct Differing {
    rows: Vec<PlanRow>,
    first: usize,
    total: usize,
    at: usize,
    top: usize,
    asked: Option<usize>,
    seeking: bool,
}

impl Differing {
    /// A window on `total` records, none of which is here yet.
    #[must_use]
    pub fn of(total: u64) -> Self {
        Self { total: usize::try_from(total).unwrap_or(usize::MAX), ..Self::default() }
    }

    /// How many records there are.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }

    /// The place of the selected record.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// The first place on the screen.
    #[must_use]
    pub fn top(&self) -> usize {
        self.top
    }

    /// The record at a place, when it is in the window.
    #[must_use]
    pub fn row(&self, place: usize) -> Option<&PlanRow> {
        self.rows.get(place.checked_sub(self.first)?)
    }

    /// The selected record, when it is in the window.
    #[must_use]
    pub fn selected(&self) -> Option<&PlanRow> {
        self.row(self.at)
    }

    /// The place of the next record in conflict, as far as the window knows: `Err` with where to look on.
    ///
    /// # Errors
    ///
    /// The window ends before one; none where it is the end of all.
    pub fn next_conflict(&self) -> Result<usize, Option<usize>> {
        let from = self.at + 1;
        let end = self.first + self.rows.len();
        if (self.first..end).contains(&from)
            && let Some(by) = self.rows[from - self.first..].iter().position(|row| row.state == "conflict")
        {
            return Ok(from + by);
        }
        let on = if (self.first..end).contains(&from) { end } else { from };
        Err((on < self.total).then_some(on))
    }

    /// A conflict is looked for beyond the window.
    pub fn seek(&mut self) {
        self.seeking = true;
    }

    /// Whether a conflict is looked for beyond the window.
    #[must_use]
    pub fn is_seeking(&self) -> bool {
        self.seeking
    }

    /// Moves the selection; gives the place from which a new window is wanted when this one's edge is near.
    pub fn step(&mut self, motion: Motion, visible: usize) -> Option<usize> {
        self.at = motion.from(self.at, self.total, visible);
        self.top = scroll(self.top, self.at, self.total, visible);
        self.wanted(visible)
    }

    /// Selects the record at a place; gives what [`Self::step`] gives.
    pub fn select(&mut self, place: usize, visible: usize) -> Option<usize> {
        self.at = place.min(self.total.saturating_sub(1));
        self.top = scroll(self.top, self.at, self.total, visible);
        self.wanted(visible)
    }

    fn wanted(&mut self, visible: usize) -> Option<usize> {
        let end = self.first + self.rows.len();
        let above = self.at.saturating_sub(visible) >= self.first;
        let below = (self.at + visible).min(self.total) <= end;
        if above && below {
            return None;
        }
        let from = self.at.saturating_sub(WINDOW / 2);
        // The same window is not asked for again with every key while it is on its way.
        if self.asked.is_some_and(|asked| asked.abs_diff(from) < WINDOW / 4) {
            return None;
        }
        self.asked = Some(from);
        Some(from)
    }

    /// Takes a window; `end` says that nothing follows it.
    pub fn answered(&mut self, first: usize, rows: Vec<PlanRow>, end: bool) {
        self.asked = None;
        self.seeking = false;
        self.first = first;
        self.rows = rows;
        let known = self.first + self.rows.len();
        // What was counted and what can be read may differ; what can be read is what there is.
        self.total = if end { known } else { self.total.max(known + 1) };
        self.at = self.at.min(self.total.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(from: usize, total: usize) -> (Vec<PlanRow>, bool) {
        let rows: Vec<PlanRow> = (from..total.min(from + WINDOW))
            .map(|at| PlanRow { key: at.into(), state: if at % 700 == 699 { "conflict" } else { "new" }.into(), ..PlanRow::default() })
            .collect();
        let end = from + rows.len() >= total;
        (rows, end)
    }

    fn answer(window: &mut Differing, wanted: Option<usize>, total: usize) {
        if let Some(from) = wanted {
            let (rows, end) = page(from, total);
            window.answered(from, rows, end);
        }
    }

    proptest! {
        #[test]
        fn wherever_one_goes_the_record_is_there_and_the_window_stays_small(
            total in 1_usize..5000,
            moves in proptest::collection::vec(0_u8..8, 1..60),
        ) {
            let mut window = Differing::of(total as u64);
            let wanted = window.step(Motion::By(0), 20);
            answer(&mut window, wanted, total);
            for step in moves {
                let motions = [Motion::Down, Motion::Up, Motion::PageDown, Motion::PageUp, Motion::First, Motion::Last, Motion::By(300), Motion::By(-170)];
                let wanted = window.step(motions[usize::from(step)], 20);
                answer(&mut window, wanted, total);
                prop_assert_eq!(window.selected().map(|row| row.key.clone()), Some(window.at().into()));
                prop_assert!(window.rows.len() <= WINDOW);
                let bottom = (window.top() + 20).min(total);
                prop_assert!((window.top()..bottom).all(|place| window.row(place).is_some()));
            }
        }
    }

    #[test]
    fn the_end_is_the_true_end() {
        let mut window = Differing::of(100_000);
        let wanted = window.step(Motion::Last, 20);
        assert_eq!(window.at(), 99_999);
        answer(&mut window, wanted, 100_000);
        assert_eq!(window.selected().unwrap().key, 99_999);
    }

    #[test]
    fn a_conflict_beyond_the_window_is_looked_for_elsewhere() {
        let mut window = Differing::of(1000);
        let wanted = window.step(Motion::By(0), 20);
        answer(&mut window, wanted, 1000);
        assert_eq!(window.next_conflict(), Err(Some(400)));
        let wanted = window.select(650, 20);
        answer(&mut window, wanted, 1000);
        assert_eq!(window.next_conflict(), Ok(699));
        window.select(699, 20);
        let wanted = window.step(Motion::Last, 20);
        answer(&mut window, wanted, 1000);
        assert_eq!(window.next_conflict(), Err(None));
    }
}
