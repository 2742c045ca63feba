//! What happens at the school on a day: lessons, payments, arrivals, corrections, new pictures.

use std::path::Path;

use jiff::civil::Date;
use rusqlite::{OptionalExtension, Transaction, params};

use super::names::person;
use super::random::{Chance, days_before};
use super::{Error, media, open};

/// What a day changed (what the database's triggers wrote besides is not counted).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayOfChanges {
    /// Records that are new.
    pub inserted: u64,
    /// Records that changed.
    pub updated: u64,
    /// Records that are gone.
    pub deleted: u64,
    /// Files that are new.
    pub files_added: u64,
    /// Files that changed.
    pub files_changed: u64,
}

/// Lives through `day` in the school at `path` and its media folder: one transaction, as the day's traffic would leave it.
///
/// # Errors
/// What SQLite or the file system says; the database is then as before.
pub fn a_day_of_changes(path: &Path, media: &Path, day: Date) -> Result<DayOfChanges, Error> {
    let mut connection = open(path)?;
    let transaction = connection.transaction()?;
    let seed = u64::try_from(i32::from(day.year()) * 400 + i32::from(day.day_of_year())).unwrap_or(1);
    let mut today = Today { rows: &transaction, chance: Chance::new(seed), day, changes: DayOfChanges::default() };
    today.payments()?;
    today.lessons()?;
    today.arrivals()?;
    today.corrections()?;
    today.office()?;
    let Today { mut chance, mut changes, .. } = today;
    transaction.commit()?;
    (changes.files_added, changes.files_changed) = media::a_day_of_files(media, &mut chance, day)?;
    Ok(changes)
}

struct Today<'t> {
    rows: &'t Transaction<'t>,
    chance: Chance,
    day: Date,
    changes: DayOfChanges,
}

impl Today<'_> {
    fn insert(&mut self, sql: &str, values: impl rusqlite::Params) -> Result<i64, Error> {
        self.changes.inserted += self.rows.prepare_cached(sql)?.execute(values)? as u64;
        Ok(self.rows.last_insert_rowid())
    }

    fn update(&mut self, sql: &str, values: impl rusqlite::Params) -> Result<(), Error> {
        self.changes.updated += self.rows.prepare_cached(sql)?.execute(values)? as u64;
        Ok(())
    }

    /// A record of `table` by chance: the first at or after a random id.
    fn any(&mut self, table: &str) -> Result<i64, Error> {
        let last: i64 = self.rows.prepare_cached(&format!("SELECT max(id) FROM {table}"))?.query_row([], |row| row.get(0))?;
        let from = self.chance.id(u64::try_from(last).unwrap_or(1));
        let found = format!("SELECT id FROM {table} WHERE id >= ? ORDER BY id LIMIT 1");
        Ok(self.rows.prepare_cached(&found)?.query_row([from], |row| row.get(0))?)
    }

    fn payments(&mut self) -> Result<(), Error> {
        for _ in 0..12 {
            let open = "SELECT id, amount, account_id FROM finance_invoice WHERE status = 'open' ORDER BY due_on, id LIMIT 1";
            let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?));
            let Some((invoice, amount, account)) = self.rows.query_row(open, [], row).optional()? else { break };
            let at = self.chance.moment_on(self.day);
            let method = self.chance.pick(&["transfer", "card", "direct debit"]);
            let payment = "INSERT INTO finance_payment (invoice_id, amount, paid_at, method) VALUES (?, ?, ?, ?)";
            self.insert(payment, params![invoice, amount, at, method])?;
            self.update("UPDATE finance_invoice SET status = 'paid' WHERE id = ?", [invoice])?;
            self.update("UPDATE finance_account SET balance = '0.00', updated_at = ? WHERE id = ?", params![at, account])?;
        }
        for _ in 0..10 {
            let (account, amount) = (self.any("finance_account")?, self.chance.money(15, 400));
            let sql = "INSERT INTO finance_invoice (number, account_id, amount, issued_on, due_on, status)
                       SELECT printf('R-%06d', max(id) + 1), ?, ?, ?, ?, 'open' FROM finance_invoice";
            let due = self.day.saturating_add(jiff::Span::new().days(30));
            self.insert(sql, params![account, amount, self.day.to_string(), due.to_string()])?;
        }
        Ok(())
    }

    fn lessons(&mut self) -> Result<(), Error> {
        let day = self.day.to_string();
        for _ in 0..40 {
            let enrolment = self.any("students_enrolment")?;
            let points = self.chance.below(151) as f64 / 10.0;
            self.insert(
                "INSERT INTO students_grade (enrolment_id, points, weight, given_on) VALUES (?, ?, 1.0, ?)",
                params![enrolment, points, day],
            )?;
        }
        for _ in 0..6 {
            let (student, course) = (self.any("students_student")?, self.any("students_course")?);
            let sql = "INSERT OR IGNORE INTO students_enrolment (student_id, course_id, enrolled_on, status) VALUES (?, ?, ?, 'active')";
            self.insert(sql, params![student, course, day])?;
        }
        for _ in 0..2 {
            let enrolment = self.any("students_enrolment")?;
            for sql in ["DELETE FROM students_grade WHERE enrolment_id = ?", "DELETE FROM students_enrolment WHERE id = ?"] {
                self.changes.deleted += self.rows.prepare_cached(sql)?.execute([enrolment])? as u64;
            }
        }
        Ok(())
    }

    fn arrivals(&mut self) -> Result<(), Error> {
        for _ in 0..self.chance.below(3) {
            let (who, guardian) = (person(&mut self.chance), person(&mut self.chance));
            let at = self.chance.moment_on(self.day);
            let name = format!("{} {}", guardian.given, guardian.family);
            let guardian = "INSERT INTO students_guardian (name, email, city, updated_at) VALUES (?, '', 'Northfield', ?)";
            let guardian = self.insert(guardian, params![name, at])?;
            let born = days_before(self.day, 3_000 + self.chance.below(3_000)).to_string();
            let sql = "INSERT INTO students_student (number, given_name, family_name, born_on, class, enrolled_on, updated_at)
                       SELECT printf('S%06d', max(id) + 1), ?, ?, ?, '5a', ?, ? FROM students_student";
            let student = self.insert(sql, params![who.given, who.family, born, self.day.to_string(), at])?;
            self.insert("INSERT INTO students_student_guardian VALUES (?, ?, 'guardian', 1)", [student, guardian])?;
            self.insert("INSERT INTO finance_account (student_id, balance, updated_at) VALUES (?, '0.00', ?)", params![student, at])?;
        }
        Ok(())
    }

    fn corrections(&mut self) -> Result<(), Error> {
        for _ in 0..15 {
            let (guardian, at) = (self.any("students_guardian")?, self.chance.moment_on(self.day));
            let phone = format!("+44 113 496 {:04}", self.chance.below(10_000));
            self.update("UPDATE students_guardian SET phone = ?, updated_at = ? WHERE id = ?", params![phone, at, guardian])?;
        }
        for _ in 0..5 {
            let (student, at) = (self.any("students_student")?, self.chance.moment_on(self.day));
            let allergies = self.chance.pick(&["nuts", "none known", "hay fever 🌾"]);
            self.update("UPDATE students_student SET allergies = ?, updated_at = ? WHERE id = ?", params![allergies, at, student])?;
        }
        if self.day.day() % 7 == 0 {
            for _ in 0..6 {
                let (employee, at) = (self.any("hr_employee")?, self.chance.moment_on(self.day));
                self.update("UPDATE hr_employee SET salary = salary + 50, updated_at = ? WHERE id = ?", params![at, employee])?;
            }
        }
        Ok(())
    }

    fn office(&mut self) -> Result<(), Error> {
        for _ in 0..4 {
            let (employee, day) = (self.any("hr_employee")?, self.day.to_string());
            self.insert(
                "INSERT INTO hr_absence (employee_id, reason, starts_on, days) VALUES (?, 'illness', ?, 1.5)",
                params![employee, day],
            )?;
        }
        let (size, at) = (400 + self.chance.below(6_000) as usize, self.chance.moment_on(self.day));
        let content = self.chance.bytes(size);
        let sql = "INSERT INTO documents_document (category_id, title, mime, content, updated_at) VALUES (4, ?, 'text/plain', ?, ?)";
        self.insert(sql, params![format!("Minutes of {}", self.day), content, at])?;
        for _ in 0..30 {
            let (object, at) = (self.any("students_student")?, self.chance.moment_on(self.day));
            let actor = format!("staff{}", self.chance.id(400));
            let sql = "INSERT INTO audit_entry (at, actor, action, model, object_id) VALUES (?, ?, 'view', 'students_student', ?)";
            self.insert(sql, params![at, actor, object])?;
            self.insert("INSERT INTO audit_login VALUES (?, ?, '192.0.2.7', 1)", params![at, actor])?;
        }
        Ok(())
    }
}
