-- The demonstration's school, as an application of the field would have it: modules are prefixes of the tables' names.
CREATE TABLE hr_department (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, cost_centre TEXT NOT NULL,
  head_id INTEGER REFERENCES hr_employee(id), budget decimal(12,2), updated_at datetime NOT NULL);
CREATE TABLE hr_employee (
  id INTEGER PRIMARY KEY, number TEXT NOT NULL UNIQUE, given_name TEXT NOT NULL, family_name TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE, phone TEXT, department_id INTEGER NOT NULL REFERENCES hr_department(id),
  manager_id INTEGER REFERENCES hr_employee(id), position TEXT NOT NULL, salary decimal(10,2), hired_on date NOT NULL,
  left_on date, active bool NOT NULL DEFAULT 1, note TEXT, updated_at datetime NOT NULL);
CREATE INDEX hr_employee_department ON hr_employee(department_id, family_name);
CREATE TABLE hr_contract (
  id INTEGER PRIMARY KEY, employee_id INTEGER NOT NULL REFERENCES hr_employee(id), kind TEXT NOT NULL,
  hours_per_week REAL NOT NULL, starts_on date NOT NULL, ends_on date, terms TEXT);
CREATE INDEX hr_contract_employee ON hr_contract(employee_id);
CREATE TABLE hr_absence (
  id INTEGER PRIMARY KEY, employee_id INTEGER NOT NULL REFERENCES hr_employee(id), reason TEXT NOT NULL,
  starts_on date NOT NULL, days REAL NOT NULL, approved_by INTEGER REFERENCES hr_employee(id));
CREATE INDEX hr_absence_employee ON hr_absence(employee_id, starts_on);

CREATE TABLE students_guardian (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL DEFAULT '', phone TEXT, city TEXT NOT NULL,
  updated_at datetime NOT NULL);
CREATE TABLE students_student (
  id INTEGER PRIMARY KEY, number TEXT NOT NULL UNIQUE, given_name TEXT NOT NULL, family_name TEXT NOT NULL,
  email TEXT UNIQUE, born_on date NOT NULL, class TEXT NOT NULL, enrolled_on date NOT NULL, left_on date,
  allergies TEXT, updated_at datetime NOT NULL);
CREATE INDEX students_student_class ON students_student(class, family_name);
CREATE TABLE students_student_guardian (
  student_id INTEGER NOT NULL REFERENCES students_student(id) ON DELETE CASCADE,
  guardian_id INTEGER NOT NULL REFERENCES students_guardian(id), relation TEXT NOT NULL, may_collect bool NOT NULL,
  PRIMARY KEY (student_id, guardian_id)) WITHOUT ROWID;
CREATE TABLE students_course (
  id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, title TEXT NOT NULL, teacher_id INTEGER REFERENCES hr_employee(id),
  credits INTEGER NOT NULL, room TEXT);
CREATE TABLE students_enrolment (
  id INTEGER PRIMARY KEY, student_id INTEGER NOT NULL REFERENCES students_student(id),
  course_id INTEGER NOT NULL REFERENCES students_course(id), enrolled_on date NOT NULL, status TEXT NOT NULL,
  UNIQUE (student_id, course_id));
CREATE INDEX students_enrolment_course ON students_enrolment(course_id);
CREATE TABLE students_grade (
  id INTEGER PRIMARY KEY, enrolment_id INTEGER NOT NULL REFERENCES students_enrolment(id) ON DELETE CASCADE,
  points REAL, weight REAL NOT NULL, remark TEXT, given_on date NOT NULL);
CREATE INDEX students_grade_enrolment ON students_grade(enrolment_id);

CREATE TABLE finance_account (
  id INTEGER PRIMARY KEY, student_id INTEGER NOT NULL UNIQUE REFERENCES students_student(id), iban TEXT,
  balance TEXT NOT NULL, updated_at datetime NOT NULL);
CREATE TABLE finance_invoice (
  id INTEGER PRIMARY KEY, number TEXT NOT NULL UNIQUE, account_id INTEGER NOT NULL REFERENCES finance_account(id),
  amount TEXT NOT NULL, issued_on date NOT NULL, due_on date NOT NULL, status TEXT NOT NULL, memo TEXT);
CREATE INDEX finance_invoice_account ON finance_invoice(account_id);
CREATE INDEX finance_invoice_open ON finance_invoice(due_on) WHERE status = 'open';
CREATE TABLE finance_payment (
  id INTEGER PRIMARY KEY, invoice_id INTEGER NOT NULL REFERENCES finance_invoice(id), amount TEXT NOT NULL,
  paid_at datetime NOT NULL, method TEXT NOT NULL, reference TEXT);
CREATE INDEX finance_payment_invoice ON finance_payment(invoice_id);

CREATE TABLE documents_category (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE documents_document (
  id INTEGER PRIMARY KEY, category_id INTEGER NOT NULL REFERENCES documents_category(id), title TEXT NOT NULL,
  student_id INTEGER REFERENCES students_student(id), author_id INTEGER REFERENCES hr_employee(id),
  mime TEXT NOT NULL, content BLOB, updated_at datetime NOT NULL);
CREATE INDEX documents_document_student ON documents_document(student_id);
CREATE TABLE documents_setting (name TEXT PRIMARY KEY, value, updated_at datetime NOT NULL) WITHOUT ROWID;

CREATE TABLE audit_entry (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at datetime NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, model TEXT NOT NULL,
  object_id INTEGER, detail TEXT);
CREATE INDEX audit_entry_at ON audit_entry(at);
-- A log without a key, as many applications have one.
CREATE TABLE audit_login (at datetime NOT NULL, login TEXT NOT NULL, address TEXT, succeeded bool NOT NULL);

CREATE VIEW hr_staff AS
  SELECT e.id, e.family_name || ', ' || e.given_name AS name, d.name AS department, e.position
  FROM hr_employee e JOIN hr_department d ON d.id = e.department_id WHERE e.active;
CREATE TRIGGER hr_employee_salary AFTER UPDATE OF salary ON hr_employee WHEN new.salary IS NOT old.salary
BEGIN
  INSERT INTO audit_entry (at, actor, action, model, object_id, detail)
  VALUES (new.updated_at, 'database', 'salary', 'hr_employee', new.id, old.salary || ' -> ' || new.salary);
END;
