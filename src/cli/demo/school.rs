//! The school's database when it is new: 18 models, 60,000 records.

use std::path::Path;

use jiff::civil::Date;
use rusqlite::{Connection, Transaction, params};

use super::Error;
use super::names::{CITIES, DEPARTMENTS, POSITIONS, SUBJECTS, person};
use super::random::{Chance, days_before};

const SCHEMA: &str = include_str!("../../../assets/demo/school.sql");

/// Records of a new school, all models together.
pub const RECORDS: u64 = 60_000;

const EMPLOYEES: u64 = 420;
const STUDENTS: u64 = 2_400;
const GUARDIANS: u64 = 2_600;
const COURSES: u64 = 180;
const ENROLMENTS: u64 = 10_800;
const INVOICES: u64 = 7_200;
const DOCUMENTS: u64 = 900;

/// Sizes of the documents that are far larger than the others.
const LARGE_DOCUMENTS: [(u64, usize); 4] = [(120, 1_300_000), (340, 1_700_000), (560, 2_200_000), (780, 3_100_000)];

/// Builds the school's database at `path`, where nothing may be, as it stands on `today`.
///
/// # Errors
/// A file that is there already; what SQLite says.
pub fn build_school(path: &Path, seed: u64, today: Date) -> Result<(), Error> {
    if path.exists() {
        return Err(Error::Exists { path: path.to_path_buf() });
    }
    let mut connection = Connection::open(path)?;
    // Nobody else sees it before it is whole, so only the end is flushed.
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "user_version", 4)?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    let mut builder = Builder { rows: &transaction, chance: Chance::new(seed), today };
    builder.hr()?;
    builder.students()?;
    builder.courses()?;
    builder.finance()?;
    builder.documents()?;
    builder.audit()?;
    transaction.commit()?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.execute_batch("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)")?;
    connection.close().map_err(|(_, error)| error.into())
}

struct Builder<'t> {
    rows: &'t Transaction<'t>,
    chance: Chance,
    today: Date,
}

impl Builder<'_> {
    fn hr(&mut self) -> Result<(), Error> {
        let (chance, today) = (&mut self.chance, self.today);
        let mut department = self.rows.prepare("INSERT INTO hr_department VALUES (?, ?, ?, NULL, ?, ?)")?;
        for (id, name) in (1_i64..).zip(DEPARTMENTS) {
            let budget = (50_000 + chance.below(900_000)) as f64 + 0.5;
            department.execute(params![id, name, format!("CC-{:04}", id * 110), budget, chance.moment_before(today, 300)])?;
        }
        let mut employee = self.rows.prepare("INSERT INTO hr_employee VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
        let departments = DEPARTMENTS.len() as u64;
        for id in 1..=EMPLOYEES {
            let who = person(chance);
            let left = chance.percent(6).then(|| chance.date_before(today, 700));
            let salary = (!chance.percent(2)).then(|| (2_300 + chance.below(4_200)) as f64 + chance.below(4) as f64 * 0.25);
            employee.execute(params![
                id as i64,
                format!("E{id:05}"),
                who.given,
                who.family,
                format!("staff{id}@school.example"),
                chance.percent(80).then(|| format!("+44 20 7946 {:04}", chance.below(10_000))),
                chance.id(departments),
                (id > departments).then(|| chance.id(departments)),
                if id <= departments { "Head of department" } else { chance.pick(POSITIONS) },
                salary,
                chance.date_before(today, 7_000),
                left,
                left.is_none(),
                chance.percent(12).then(|| format!("Speaks {}; prefers mornings ☕", chance.pick(SUBJECTS))),
                chance.moment_before(today, 400),
            ])?;
        }
        self.rows.execute("UPDATE hr_department SET head_id = id", [])?;
        let mut contract = self.rows.prepare("INSERT INTO hr_contract VALUES (?, ?, ?, ?, ?, ?, ?)")?;
        for id in 1..=640_u64 {
            let ended = id > EMPLOYEES;
            contract.execute(params![
                id as i64,
                ((id - 1) % EMPLOYEES + 1) as i64,
                chance.pick(&["permanent", "fixed term", "substitute", "honorary"]),
                [38.5, 30.0, 19.25, 8.0][chance.below(4) as usize],
                chance.date_before(today, 6_000),
                ended.then(|| chance.date_before(today, 900)),
                chance
                    .percent(40)
                    .then(|| "As the collective agreement of the district has it, § 4 (2).".repeat(1 + chance.below(4) as usize)),
            ])?;
        }
        let mut absence = self.rows.prepare("INSERT INTO hr_absence VALUES (?, ?, ?, ?, ?, ?)")?;
        for id in 1..=2_100_i64 {
            let reason = chance.pick(&["holiday", "illness", "training", "parental leave"]);
            let approved = chance.percent(85).then(|| chance.id(departments));
            absence.execute(params![
                id,
                chance.id(EMPLOYEES),
                reason,
                chance.date_before(today, 1_000),
                chance.below(28) as f64 / 2.0,
                approved
            ])?;
        }
        Ok(())
    }

    fn students(&mut self) -> Result<(), Error> {
        let (chance, today) = (&mut self.chance, self.today);
        let mut guardian = self.rows.prepare("INSERT INTO students_guardian VALUES (?, ?, ?, ?, ?, ?)")?;
        for id in 1..=GUARDIANS {
            let who = person(chance);
            let email = if chance.percent(92) { format!("guardian{id}@mail.example") } else { String::new() };
            let phone = chance.percent(75).then(|| format!("+44 161 496 {:04}", chance.below(10_000)));
            let name = format!("{} {}", who.given, who.family);
            guardian.execute(params![id as i64, name, email, phone, chance.pick(CITIES), chance.moment_before(today, 500)])?;
        }
        let mut student = self.rows.prepare("INSERT INTO students_student VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
        let mut link = self.rows.prepare("INSERT INTO students_student_guardian VALUES (?, ?, ?, ?)")?;
        for id in 1..=STUDENTS {
            let (who, year) = (person(chance), 1 + id % 12);
            student.execute(params![
                id as i64,
                format!("S{id:06}"),
                who.given,
                who.family,
                chance.percent(95).then(|| format!("s{id}@pupils.school.example")),
                days_before(today, 2_100 + year * 365 + chance.below(360)).to_string(),
                format!("{year}{}", chance.pick(&["a", "b", "c", "d"])),
                chance.date_before(today, year * 365),
                chance.percent(3).then(|| chance.date_before(today, 200)),
                chance.percent(9).then(|| chance.pick(&["nuts", "lactose", "pollen", "bee stings; carries an auto-injector"])),
                chance.moment_before(today, 400),
            ])?;
            link.execute(params![id as i64, id as i64, chance.pick(&["mother", "father", "guardian"]), true])?;
            if id % 2 == 0 {
                let second = STUDENTS + id / 2 % (GUARDIANS - STUDENTS) + 1;
                link.execute(params![id as i64, second as i64, "grandparent", chance.percent(50)])?;
            }
        }
        Ok(())
    }

    fn courses(&mut self) -> Result<(), Error> {
        let (chance, today) = (&mut self.chance, self.today);
        let mut course = self.rows.prepare("INSERT INTO students_course VALUES (?, ?, ?, ?, ?, ?)")?;
        for id in 1..=COURSES {
            let subject = SUBJECTS[id as usize % SUBJECTS.len()];
            let teacher = chance.percent(96).then(|| chance.id(EMPLOYEES));
            let room = chance.percent(90).then(|| format!("{}{:02}", chance.pick(&["A", "B", "N"]), chance.below(40)));
            course.execute(params![
                id as i64,
                format!("C-{id:03}"),
                format!("{subject} {}", id / 15 + 1),
                teacher,
                1 + id as i64 % 5,
                room
            ])?;
        }
        let mut enrolment = self.rows.prepare("INSERT INTO students_enrolment VALUES (?, ?, ?, ?, ?)")?;
        for id in 1..=ENROLMENTS {
            // The turn of the students, each time 37 courses further: no student meets a course twice.
            let (student, turn) = ((id - 1) % STUDENTS, (id - 1) / STUDENTS);
            let course = (student * 7 + turn * 37) % COURSES + 1;
            let status = chance.pick(&["active", "active", "active", "completed", "withdrawn"]);
            enrolment.execute(params![id as i64, student as i64 + 1, course as i64, chance.date_before(today, 420), status])?;
        }
        let mut grade = self.rows.prepare("INSERT INTO students_grade VALUES (?, ?, ?, ?, ?, ?)")?;
        for id in 1..=14_000_u64 {
            let points = (!chance.percent(3)).then(|| chance.below(151) as f64 / 10.0);
            let remark = chance.percent(8).then(|| chance.pick(&["très bien", "late", "repeat the exercise", "優", "see me 🙂"]));
            let given = chance.date_before(today, 300);
            grade.execute(params![
                id as i64,
                ((id * 7) % ENROLMENTS + 1) as i64,
                points,
                [0.5, 1.0, 2.0][id as usize % 3],
                remark,
                given
            ])?;
        }
        Ok(())
    }

    fn finance(&mut self) -> Result<(), Error> {
        let (chance, today) = (&mut self.chance, self.today);
        let mut account = self.rows.prepare("INSERT INTO finance_account VALUES (?, ?, ?, ?, ?)")?;
        for id in 1..=STUDENTS as i64 {
            let iban = chance.percent(70).then(|| format!("GB{:02} DEMO {:014}", 10 + chance.below(89), chance.below(100_000_000_000_000)));
            account.execute(params![id, id, iban, chance.money(0, 900), chance.moment_before(today, 200)])?;
        }
        let mut invoice = self.rows.prepare("INSERT INTO finance_invoice VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?;
        let mut payment = self.rows.prepare("INSERT INTO finance_payment VALUES (?, ?, ?, ?, ?, ?)")?;
        for id in 1..=INVOICES {
            let paid = id <= 6_500;
            let issued = 30 + (INVOICES - id) / 20;
            let amount = chance.money(20, 900);
            let status = if paid { "paid" } else { chance.pick(&["open", "open", "open", "cancelled"]) };
            invoice.execute(params![
                id as i64,
                format!("R-{id:06}"),
                ((id - 1) % STUDENTS + 1) as i64,
                amount,
                days_before(today, issued).to_string(),
                days_before(today, issued - 30).to_string(),
                status,
                chance.percent(15).then(|| chance.pick(&[
                    "Trip to Δελφοί",
                    "Lunch, November",
                    "Instrument hire",
                    "Rückerstattung möglich"
                ])),
            ])?;
            if paid {
                let when = chance.moment_on(days_before(today, issued - 10));
                let reference = chance.percent(60).then(|| format!("RF{:08}", chance.below(100_000_000)));
                payment.execute(params![
                    id as i64,
                    id as i64,
                    amount,
                    when,
                    chance.pick(&["transfer", "card", "cash", "direct debit"]),
                    reference
                ])?;
            }
        }
        Ok(())
    }

    fn documents(&mut self) -> Result<(), Error> {
        let (chance, today) = (&mut self.chance, self.today);
        let mut category = self.rows.prepare("INSERT INTO documents_category VALUES (?, ?)")?;
        let names = ["Reports", "Letters", "Certificates", "Minutes", "Forms", "Médical", "Scans", "Archive"];
        for (id, name) in (1_i64..).zip(names) {
            category.execute(params![id, name])?;
        }
        let mut document = self.rows.prepare("INSERT INTO documents_document VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?;
        for id in 1..=DOCUMENTS {
            let large = LARGE_DOCUMENTS.iter().find(|(which, _)| *which == id).map(|(_, size)| *size);
            let size = large.unwrap_or(if chance.percent(4) {
                18_000 + chance.below(40_000) as usize
            } else {
                200 + chance.below(1_800) as usize
            });
            let content = (large.is_some() || chance.percent(95)).then(|| chance.bytes(size));
            document.execute(params![
                id as i64,
                chance.id(names.len() as u64),
                format!("{} {}", chance.pick(&["Report", "Minutes", "Bescheinigung", "Autorisation", "成績表"]), id),
                chance.percent(60).then(|| chance.id(STUDENTS)),
                chance.percent(90).then(|| chance.id(EMPLOYEES)),
                chance.pick(&["application/pdf", "image/png", "text/plain"]),
                content,
                chance.moment_before(today, 900),
            ])?;
        }
        // A value of any class a setting can have: SQLite keeps what the application gave.
        let mut setting = self.rows.prepare(
            "INSERT INTO documents_setting VALUES (?, CASE ? % 4 WHEN 0 THEN ? WHEN 1 THEN 0.25 WHEN 2 THEN NULL ELSE 'on' END, ?)",
        )?;
        for id in 1..=40_i64 {
            setting.execute(params![format!("documents.option.{id:02}"), id, id * 1_000, chance.moment_before(today, 900)])?;
        }
        Ok(())
    }

    fn audit(&mut self) -> Result<(), Error> {
        let (chance, today) = (&mut self.chance, self.today);
        let mut entry =
            self.rows.prepare("INSERT INTO audit_entry (at, actor, action, model, object_id, detail) VALUES (?, ?, ?, ?, ?, ?)")?;
        for id in 1..=5_000_u64 {
            let at = chance.moment_on(days_before(today, (5_000 - id) / 25 + 1));
            let action = chance.pick(&["create", "update", "update", "update", "view", "delete"]);
            let model = chance.pick(&["students_student", "finance_invoice", "hr_employee", "documents_document"]);
            let detail = chance.percent(30).then(|| format!("{{\"field\": \"note\", \"by\": \"{}\"}}", person(chance).family));
            entry.execute(params![at, format!("staff{}", chance.id(EMPLOYEES)), action, model, chance.id(STUDENTS), detail])?;
        }
        let mut login = self.rows.prepare("INSERT INTO audit_login VALUES (?, ?, ?, ?)")?;
        for id in 0..1_200_u64 {
            let address = chance.percent(90).then(|| format!("192.0.2.{}", chance.below(255)));
            let at = chance.moment_on(days_before(today, (1_199 - id) / 40 + 1));
            login.execute(params![at, format!("staff{}", chance.id(EMPLOYEES)), address, chance.percent(97)])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Media, a_day_of_changes, build_media, open, spoil};
    use super::*;

    const TODAY: Date = Date::constant(2026, 10, 20);

    fn school(folder: &Path) -> std::path::PathBuf {
        let path = folder.join("school.db");
        build_school(&path, 1, TODAY).unwrap();
        path
    }

    fn number(connection: &Connection, sql: &str) -> u64 {
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() as u64
    }

    fn tables(connection: &Connection) -> Vec<String> {
        let listed = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        let mut statement = connection.prepare(listed).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    fn broken_references(connection: &Connection) -> u64 {
        number(connection, "SELECT count(*) FROM pragma_foreign_key_check")
    }

    #[test]
    fn a_new_school_has_sixty_thousand_sound_records() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open(&school(folder.path())).unwrap();
        let tables = tables(&connection);
        assert_eq!(tables.len(), 18);
        let records: u64 = tables.iter().map(|table| number(&connection, &format!("SELECT count(*) FROM {table}"))).sum();
        assert_eq!(records, RECORDS);
        assert_eq!(broken_references(&connection), 0);
        assert_eq!(number(&connection, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
        assert_eq!(number(&connection, "SELECT count(*) FROM documents_document WHERE length(content) > 1048576"), 4);
        for module in ["hr_", "students_", "finance_", "documents_", "audit_"] {
            assert!(tables.iter().any(|table| table.starts_with(module)));
        }
    }

    #[test]
    fn the_same_seed_and_day_build_the_same_school() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other.db");
        build_school(&other, 1, TODAY).unwrap();
        let digest = |path: &Path| blake3::hash(&std::fs::read(path).unwrap());
        assert_eq!(digest(&school(folder.path())), digest(&other));
        assert!(matches!(build_school(&other, 1, TODAY), Err(Error::Exists { .. })));
    }

    #[test]
    fn a_month_of_changes_keeps_the_school_sound() {
        let folder = tempfile::tempdir().unwrap();
        let (path, media) = (school(folder.path()), folder.path().join("media"));
        let Media { files, .. } = build_media(&media, 1, TODAY).unwrap();
        assert!(files >= 200);
        for day in 0..30 {
            let changes = a_day_of_changes(&path, &media, TODAY.saturating_add(jiff::Span::new().days(day))).unwrap();
            assert!(changes.inserted > 50 && changes.updated > 20 && changes.deleted > 0 && changes.files_added > 0, "{changes:?}");
        }
        assert_eq!(broken_references(&open(&path).unwrap()), 0);
    }

    #[test]
    fn a_mishap_does_what_it_says_and_leaves_a_trace() {
        let folder = tempfile::tempdir().unwrap();
        let (path, media) = (school(folder.path()), folder.path().join("media"));
        let Media { files, .. } = build_media(&media, 1, TODAY).unwrap();
        let before = |sql: &str| number(&open(&path).unwrap(), sql);
        let counts = ["SELECT count(*) FROM students_enrolment", "SELECT count(*) FROM students_grade", "SELECT count(*) FROM audit_entry"];
        let [enrolments, grades, entries] = counts.map(before);
        let empty = before("SELECT count(*) FROM students_guardian WHERE email = ''");
        let spoiled = spoil(&path, &media).unwrap();
        assert!(spoiled.salaries > 10 && spoiled.enrolments > 10 && spoiled.grades > 10 && spoiled.emails > 10, "{spoiled:?}");
        assert!(spoiled.files > 10 && spoiled.files < files, "{spoiled:?}");
        assert_eq!(before(counts[0]), enrolments - spoiled.enrolments);
        assert_eq!(before(counts[1]), grades - spoiled.grades);
        assert!(before(counts[2]) > entries);
        assert_eq!(before("SELECT count(*) FROM students_guardian WHERE email = ''"), empty + spoiled.emails);
        assert_eq!(broken_references(&open(&path).unwrap()), 0);
    }
}
