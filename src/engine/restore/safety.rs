//! The safety record: what each record that a plan touches was before and will be after, so that it can be undone and judged.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;

use super::checks::stop;
use super::entries;
use super::plan::Plan;
use super::record::Record;
use super::spool::SpoolReader;
use super::{Error, Result, Rows, Stored};
use crate::rows::difference::Projection;
use crate::rows::{Class, Digest, Key, Large, Relation, RelationKind, Row, Value};
use crate::sources::{Content, Looking, Snapshot};

/// A touched record, before and after.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its key.
    pub key: Key,
    /// As it was; none where it was created.
    pub before: Option<Row>,
    /// As it is then; none where it was deleted.
    pub after: Option<Row>,
}

/// What is handed to whoever keeps the safety record: the images, model by model.
pub struct Images<'a, 's> {
    plan: &'a Plan,
    spool: RefCell<&'a mut SpoolReader<'s>>,
    kept: HashMap<Named, Large>,
}

/// What names a large value: text and a blob of the same bytes are two.
pub(super) type Named = (Class, Digest);

/// The name of a large value.
pub(super) fn name_of(large: &Large) -> Named {
    (large.class, large.content)
}

impl<'a, 's> Images<'a, 's> {
    /// The images of a plan; large live values that go are read from `lives` once more and put into `content`.
    ///
    /// # Errors
    /// What reading met; [`Error::Stale`] where such a value is not there any more.
    pub fn gather(plan: &'a Plan, spool: &'a mut SpoolReader<'s>, lives: &[&dyn Snapshot], content: &dyn Content) -> Result<Self> {
        let mut kept = HashMap::new();
        for (model, relation) in plan.relations.iter().enumerate() {
            let mut wanted = HashSet::new();
            spool.each(model, &mut |record| {
                let rows =
                    [&record.live, &record.result()].into_iter().flatten().filter(|_| record.is_touched()).cloned().collect::<Vec<_>>();
                wanted.extend(rows.iter().flat_map(|row| &row.values).filter_map(absent).map(name_of));
                Ok(true)
            })?;
            wanted.retain(|name| !kept.contains_key(name));
            if wanted.is_empty() {
                continue;
            }
            let Some(live) = lives.get(plan.sources[model]) else { continue };
            if relation.kind == RelationKind::Files {
                entries::keep(spool, (model, relation), *live, &wanted, content, &mut kept)?;
                continue;
            }
            let keeping = Keeping { wanted: &wanted, content, kept: RefCell::new(&mut kept) };
            live.scan(relation, &keeping, &mut |_| ControlFlow::Continue(()))?;
            if let Some((_, digest)) = wanted.iter().find(|name| !kept.contains_key(*name)) {
                return Err(Error::Stale { count: 1, records: vec![format!("{} (the large value {digest})", relation.name)] });
            }
        }
        Ok(Self { plan, spool: RefCell::new(spool), kept })
    }

    /// The models with touched records.
    pub fn models(&self) -> impl Iterator<Item = &Relation> {
        let touched =
            |model: &usize| self.plan.models[*model].create + self.plan.models[*model].update + self.plan.models[*model].delete > 0;
        (0..self.plan.relations.len()).filter(touched).map(|model| &self.plan.relations[model])
    }

    /// Shows the images of a model in key order.
    ///
    /// # Errors
    /// What reading met, and what `each` says.
    pub fn each(&self, model: &str, each: &mut dyn FnMut(Image) -> Result<()>) -> Result<()> {
        let place = self.plan.place(model)?;
        self.spool.borrow_mut().each(place, &mut |record| {
            if record.is_touched() {
                each(self.image(&record))?;
            }
            Ok(true)
        })
    }

    fn image(&self, record: &Record) -> Image {
        let whole = |row: Option<Row>| {
            row.map(|mut row| {
                for value in &mut row.values {
                    if let Some(kept) = absent(value).and_then(|large| self.kept.get(&name_of(large))) {
                        *value = Value::Large(kept.clone());
                    }
                }
                row
            })
        };
        Image { key: record.key.clone(), before: whole(record.live.clone()), after: whole(record.result()) }
    }
}

/// A large value that was only looked at.
fn absent(value: &Value) -> Option<&Large> {
    match value {
        Value::Large(large) if large.chunks.is_empty() => Some(large),
        _ => None,
    }
}

/// Keeps the wanted ones among the large values that pass; each is spooled once, since only its digest tells.
struct Keeping<'k> {
    wanted: &'k HashSet<Named>,
    content: &'k dyn Content,
    kept: RefCell<&'k mut HashMap<Named, Large>>,
}

impl Content for Keeping<'_> {
    fn keep(&self, class: Class, value: &mut dyn Read) -> std::io::Result<Large> {
        let mut spool = tempfile::spooled_tempfile(8 << 20);
        let seen = Looking.keep(class, &mut Tee { from: value, to: &mut spool })?;
        if self.wanted.contains(&name_of(&seen)) && !self.kept.borrow().contains_key(&name_of(&seen)) {
            spool.seek(SeekFrom::Start(0))?;
            let large = self.content.keep(class, &mut spool)?;
            self.kept.borrow_mut().insert(name_of(&seen), large);
        }
        Ok(seen)
    }
}

struct Tee<'t> {
    from: &'t mut dyn Read,
    to: &'t mut dyn Write,
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.from.read(buffer)?;
        self.to.write_all(&buffer[..length])?;
        Ok(length)
    }
}

/// A safety record read back: what was before, and what came after.
#[derive(Clone, Copy)]
pub struct Safety<'v> {
    /// The before-images.
    pub before: &'v dyn Stored,
    /// The after-images.
    pub after: &'v dyn Stored,
}

impl<'v> Safety<'v> {
    /// The models it speaks of, as they were.
    #[must_use]
    pub fn relations(&self) -> Vec<Relation> {
        let mut all: Vec<Relation> = self.before.relations().iter().map(|held| held.relation.clone()).collect();
        for held in self.after.relations() {
            if all.iter().all(|relation| relation.name != held.relation.name) {
                all.push(held.relation.clone());
            }
        }
        all
    }

    /// Shows each touched record of a model beside its live row, in key order, in the columns of `live_relation`.
    ///
    /// # Errors
    /// What reading met, and what `each` says.
    pub fn meet(
        &self,
        live: &dyn Snapshot,
        live_relation: &Relation,
        each: &mut dyn FnMut(Image, Option<Row>) -> Result<()>,
    ) -> Result<()> {
        let mut before = side(self.before, live_relation)?;
        let mut after = side(self.after, live_relation)?;
        let mut next = move || -> Result<Option<Image>> {
            let (head, tail) = (peek(&mut before)?, peek(&mut after)?);
            let Some(key) = [head, tail].into_iter().flatten().min() else { return Ok(None) };
            let pull = |rows: &mut Side<'v>| rows.next_if(|row| row.as_ref().is_ok_and(|row| row.key == key)).transpose();
            Ok(Some(Image { before: pull(&mut before)?, after: pull(&mut after)?, key: key.clone() }))
        };
        if live_relation.kind == RelationKind::Files {
            while let Some(image) = next()? {
                let Some(like) = image.before.as_ref().or(image.after.as_ref()) else { continue };
                let now = entries::now(live, like, &Looking)?;
                each(image, now)?;
            }
            return Ok(());
        }
        let mut head = next()?;
        let mut failure = None;
        live.scan(live_relation, &Looking, &mut |row| {
            let mut advance = || -> Result<bool> {
                while let Some(image) = head.take_if(|image| image.key < row.key) {
                    each(image, None)?;
                    head = next()?;
                }
                if let Some(image) = head.take_if(|image| image.key == row.key) {
                    each(image, Some(row.clone()))?;
                    head = next()?;
                }
                Ok(head.is_some())
            };
            let result = advance();
            stop(&mut failure, result)
        })?;
        failure.map_or(Ok(()), Err)?;
        while let Some(image) = head.take() {
            each(image, None)?;
            head = next()?;
        }
        Ok(())
    }
}

type Side<'v> = std::iter::Peekable<Box<dyn Iterator<Item = Result<Row>> + 'v>>;

fn side<'v>(stored: &'v dyn Stored, live: &Relation) -> Result<Side<'v>> {
    let Some(held) = stored.relations().iter().find(|held| held.relation.name == live.name) else {
        let none: Box<dyn Iterator<Item = Result<Row>> + 'v> = Box::new(std::iter::empty());
        return Ok(none.peekable());
    };
    let projection = Projection::new(&held.relation, live);
    let rows: Rows<'v> = stored.rows(&live.name)?;
    let rows: Box<dyn Iterator<Item = Result<Row>> + 'v> = Box::new(rows.map(move |row| Ok(projection.project(row?)?)));
    Ok(rows.peekable())
}

fn peek(rows: &mut Side<'_>) -> Result<Option<Key>> {
    match rows.peek() {
        Some(Ok(row)) => Ok(Some(row.key.clone())),
        Some(Err(_)) => rows.next().transpose().map(|_| None),
        None => Ok(None),
    }
}

/// Whether two rows are the same where people look: hidden columns left out.
#[must_use]
pub fn same(relation: &Relation, one: Option<&Row>, other: Option<&Row>) -> bool {
    same_in(relation.visible(), one, other)
}

/// Whether two rows are the same in these columns.
#[must_use]
pub fn same_in(columns: impl IntoIterator<Item = usize>, one: Option<&Row>, other: Option<&Row>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => columns.into_iter().all(|column| one.values[column].same(&other.values[column])),
        _ => false,
    }
}
