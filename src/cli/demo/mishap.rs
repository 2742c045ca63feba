//! What a colleague does by mistake, with the best of intentions and a database shell.

use std::path::Path;

use rusqlite::Connection;
use serde::Serialize;

use super::{Error, open};

/// What the mishap left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Spoiled {
    /// The department that now earns all the same.
    pub department: String,
    /// Salaries overwritten.
    pub salaries: u64,
    /// Enrolments deleted.
    pub enrolments: u64,
    /// Grades that went with them, by the foreign key's cascade.
    pub grades: u64,
    /// E-mail addresses of guardians that are empty now.
    pub emails: u64,
    /// Media files deleted.
    pub files: u64,
}

impl Spoiled {
    /// What happened, for people.
    #[must_use]
    pub fn in_words(&self) -> String {
        let Self { department, salaries, enrolments, grades, emails, files } = self;
        format!(
            "{salaries} salaries of {department} overwritten, {enrolments} enrolments and {grades} grades deleted, {emails} e-mail addresses blanked, {files} media files deleted"
        )
    }
}

/// Spoils records of the school at `path` and its `media`: a WHERE too wide, a course too many, a form sent empty, a folder
/// tidied away.
///
/// # Errors
/// What SQLite says; the database is then as before. What the file system says.
pub fn spoil(path: &Path, media: &Path) -> Result<Spoiled, Error> {
    let spoiled = spoil_records(path)?;
    Ok(Spoiled { files: tidy_away(&media.join("letters/authorities"))?, ..spoiled })
}

fn tidy_away(folder: &Path) -> Result<u64, Error> {
    let failed = |why| Error::File { path: folder.to_path_buf(), why };
    let files = std::fs::read_dir(folder).map_err(failed)?.count() as u64;
    std::fs::remove_dir_all(folder).map_err(failed)?;
    Ok(files)
}

fn spoil_records(path: &Path) -> Result<Spoiled, Error> {
    let mut connection = open(path)?;
    let transaction = connection.transaction()?;
    let largest = "SELECT d.id, d.name FROM hr_department d JOIN hr_employee e ON e.department_id = d.id GROUP BY d.id ORDER BY count(*) DESC, d.id LIMIT 1";
    let (department, name): (i64, String) = transaction.query_row(largest, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    // One raise was meant, for one person.
    let raise = "UPDATE hr_employee SET salary = 3100 WHERE department_id = ? AND salary IS NOT 3100";
    let salaries = transaction.execute(raise, [department])? as u64;
    let grades = counted(&transaction, "students_grade")?;
    let enrolments = transaction.execute("DELETE FROM students_enrolment WHERE course_id BETWEEN 40 AND 44", [])? as u64;
    let grades = grades - counted(&transaction, "students_grade")?;
    let emails = transaction.execute("UPDATE students_guardian SET email = '' WHERE city = 'Køge' AND email <> ''", [])? as u64;
    transaction.commit()?;
    Ok(Spoiled { department: name, salaries, enrolments, grades, emails, files: 0 })
}

fn counted(connection: &Connection, table: &str) -> Result<u64, Error> {
    let count: i64 = connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}
