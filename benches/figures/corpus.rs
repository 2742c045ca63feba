//! A ledger to measure on: 22 tables as an ERP has them, the same on every machine, of any size.
//!
//! Most rows stand in lines, entries and a log; children follow their parents in time, texts repeat words, identifiers and
//! part of the attachments do not compress.

use std::path::Path;

use rusqlite::{Connection, params_from_iter, types::Value};

/// Rows for a MiB of database file, indexes included: 6.2 million make a GiB.
const ROWS_PER_MIB: u64 = 6100;

#[derive(Clone, Copy)]
pub enum Kind {
    Id,
    Ref(&'static str),
    Text,
    Code,
    Decimal,
    Time,
    Date,
    Integer,
    Blob,
    Uuid,
    Note,
}
use Kind::{Blob, Code, Date, Decimal, Id, Integer, Note, Ref, Text, Time, Uuid};

pub struct Table {
    pub name: &'static str,
    /// Of ten thousand rows.
    share: u64,
    least: u64,
    pub columns: &'static [(&'static str, Kind)],
}

const fn table(name: &'static str, share: u64, least: u64, columns: &'static [(&'static str, Kind)]) -> Table {
    Table { name, share, least, columns }
}

#[rustfmt::skip]
pub const TABLES: &[Table] = &[
    table("company", 0, 3, &[("id", Id), ("name", Text), ("tax_number", Code), ("created_at", Time)]),
    table("branch", 0, 12, &[("id", Id), ("company_id", Ref("company")), ("name", Text), ("address", Text), ("created_at", Time)]),
    table("department", 0, 60, &[("id", Id), ("branch_id", Ref("branch")), ("name", Text)]),
    table("employee", 10, 1, &[("id", Id), ("department_id", Ref("department")), ("full_name", Text), ("email", Code), ("hired_on", Date), ("active", Integer)]),
    table("app_user", 4, 1, &[("id", Id), ("employee_id", Ref("employee")), ("login", Code), ("password_hash", Uuid), ("last_login", Time)]),
    table("currency", 0, 20, &[("id", Id), ("code", Code), ("name", Text)]),
    table("exchange_rate", 40, 1, &[("id", Id), ("currency_id", Ref("currency")), ("on_date", Date), ("rate", Decimal)]),
    table("account", 4, 1, &[("id", Id), ("company_id", Ref("company")), ("code", Code), ("name", Text), ("kind", Integer)]),
    table("cost_center", 2, 1, &[("id", Id), ("branch_id", Ref("branch")), ("name", Text), ("budget", Decimal)]),
    table("vendor", 20, 1, &[("id", Id), ("name", Text), ("tax_number", Code), ("address", Text), ("phone", Code), ("note", Note), ("created_at", Time)]),
    table("customer", 60, 1, &[("id", Id), ("name", Text), ("tax_number", Code), ("address", Text), ("phone", Code), ("credit_limit", Decimal), ("created_at", Time)]),
    table("item", 40, 1, &[("id", Id), ("sku", Code), ("name", Text), ("price", Decimal), ("unit", Integer)]),
    table("cash_box", 0, 40, &[("id", Id), ("branch_id", Ref("branch")), ("name", Text), ("float_amount", Decimal)]),
    table("voucher", 700, 1, &[("id", Id), ("uuid", Uuid), ("cash_box_id", Ref("cash_box")), ("employee_id", Ref("employee")), ("vendor_id", Ref("vendor")), ("on_date", Date), ("status", Code), ("total", Decimal), ("note", Note), ("created_at", Time), ("updated_at", Time)]),
    table("voucher_line", 1500, 1, &[("id", Id), ("voucher_id", Ref("voucher")), ("account_id", Ref("account")), ("cost_center_id", Ref("cost_center")), ("amount", Decimal), ("tax", Decimal), ("note", Text)]),
    table("attachment", 24, 1, &[("id", Id), ("voucher_id", Ref("voucher")), ("file_name", Code), ("mime", Code), ("data", Blob), ("created_at", Time)]),
    table("invoice", 400, 1, &[("id", Id), ("customer_id", Ref("customer")), ("on_date", Date), ("status", Code), ("total", Decimal), ("note", Note), ("created_at", Time), ("updated_at", Time)]),
    table("invoice_line", 1200, 1, &[("id", Id), ("invoice_id", Ref("invoice")), ("item_id", Ref("item")), ("quantity", Integer), ("price", Decimal), ("amount", Decimal), ("note", Text)]),
    table("payment", 500, 1, &[("id", Id), ("invoice_id", Ref("invoice")), ("paid_at", Time), ("amount", Decimal), ("method", Code), ("reference", Uuid)]),
    table("journal_entry", 900, 1, &[("id", Id), ("uuid", Uuid), ("company_id", Ref("company")), ("on_date", Date), ("note", Note), ("created_at", Time)]),
    table("journal_line", 2600, 1, &[("id", Id), ("entry_id", Ref("journal_entry")), ("account_id", Ref("account")), ("cost_center_id", Ref("cost_center")), ("debit", Decimal), ("credit", Decimal), ("note", Text)]),
    table("audit_log", 2000, 1, &[("id", Id), ("user_id", Ref("app_user")), ("at", Time), ("action", Code), ("entity", Code), ("entity_id", Integer), ("detail", Note)]),
];

/// Nothing refers to them: rows may go.
pub const LEAVES: &[&str] = &["audit_log", "journal_line", "voucher_line", "invoice_line", "payment", "attachment"];
pub const INDEXES: &str = "
    CREATE INDEX voucher_date ON voucher(on_date); CREATE INDEX voucher_uuid ON voucher(uuid);
    CREATE INDEX voucher_line_voucher ON voucher_line(voucher_id); CREATE INDEX invoice_customer ON invoice(customer_id);
    CREATE INDEX invoice_line_invoice ON invoice_line(invoice_id); CREATE INDEX payment_invoice ON payment(invoice_id);
    CREATE INDEX journal_entry_date ON journal_entry(on_date); CREATE INDEX journal_line_entry ON journal_line(entry_id);
    CREATE INDEX journal_line_account ON journal_line(account_id); CREATE INDEX audit_log_at ON audit_log(at);
    CREATE INDEX attachment_voucher ON attachment(voucher_id); ANALYZE;";
const WORDS: &str = "cash receipt travel fuel office supply taxi lunch parking repair courier paper toner cleaning hotel ticket client visit \
    urgent monthly advance refund stamp permit rent water power phone license training event gift medical tool spare part service contract";

/// Numbers that look random and are the same everywhere (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn words(&mut self, from: u64, to: u64) -> String {
        let words: Vec<&str> = WORDS.split_whitespace().collect();
        let count = from + self.below(to - from + 1);
        (0..count).map(|_| words[self.below(words.len() as u64) as usize]).collect::<Vec<_>>().join(" ")
    }
}

/// Texts that rows take from, so that a row costs little to make.
struct Pools {
    names: Vec<String>,
    notes: Vec<String>,
    codes: Vec<String>,
    prose: Vec<u8>,
}

impl Pools {
    fn new() -> Self {
        let mut random = Random(7);
        let names = (0..20_000).map(|_| format!("{} {}", random.words(2, 5), random.below(9999))).collect();
        let notes = (0..40_000).map(|_| format!("{}; ref {:012x}", random.words(6, 24), random.below(1 << 48))).collect();
        let codes = (0..30_000).map(|_| format!("{}-{}", random.words(1, 1).to_uppercase(), random.below(100_000))).collect();
        let prose = random.words(3000, 3000).into_bytes();
        Self { names, notes, codes, prose }
    }
}

fn rows_of(table: &Table, all: u64) -> u64 {
    (all * table.share / 10_000).max(table.least)
}

/// Makes the database at `path`, of about `mib` MiB.
pub fn make(path: &Path, mib: u64) {
    let all = mib * ROWS_PER_MIB;
    let db = Connection::open(path).unwrap();
    db.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; BEGIN").unwrap();
    let pools = Pools::new();
    for (number, table) in TABLES.iter().enumerate() {
        db.execute_batch(&definition(table)).unwrap();
        let marks = vec!["?"; table.columns.len()].join(", ");
        let mut insert = db.prepare(&format!("INSERT INTO {} VALUES ({marks})", table.name)).unwrap();
        let (rows, mut random) = (rows_of(table, all), Random(number as u64 * 1000 + 1));
        for row in 1..=rows {
            let cells = table.columns.iter().map(|(_, kind)| cell(*kind, row, rows, all, &pools, &mut random));
            insert.execute(params_from_iter(cells)).unwrap();
        }
    }
    db.execute_batch("COMMIT").unwrap();
    db.execute_batch(INDEXES).unwrap();
    db.execute_batch("PRAGMA journal_mode = DELETE").unwrap();
}

fn definition(table: &Table) -> String {
    let columns = table.columns.iter().map(|(name, kind)| match kind {
        Id => format!("{name} INTEGER PRIMARY KEY"),
        Ref(to) => format!("{name} INTEGER NOT NULL REFERENCES {to}(id)"),
        Integer => format!("{name} INTEGER NOT NULL"),
        Blob => format!("{name} BLOB"),
        _ => format!("{name} TEXT NOT NULL"),
    });
    format!("CREATE TABLE {}({})", table.name, columns.collect::<Vec<_>>().join(", "))
}

fn cell(kind: Kind, row: u64, rows: u64, all: u64, pools: &Pools, random: &mut Random) -> Value {
    // Six years, in order.
    let second = 190_000_000 / rows * row + random.below(60);
    Value::Text(match kind {
        Id => return Value::Integer(row.cast_signed()),
        Ref(to) => {
            let parents = rows_of(TABLES.iter().find(|table| table.name == to).unwrap(), all);
            let in_time = parents > 20_000 && !["vendor", "customer", "item"].contains(&to);
            return Value::Integer(if in_time { (row * parents / rows).max(1) } else { 1 + random.below(parents) }.cast_signed());
        }
        Integer => return Value::Integer(random.below(1000).cast_signed()),
        Blob => return Value::Blob(attachment(pools, random)),
        Text => pools.names[random.below(20_000) as usize].clone(),
        Code => pools.codes[random.below(30_000) as usize].clone(),
        Note => format!("{} #{row}", pools.notes[random.below(40_000) as usize]),
        Decimal => {
            let small = random.below(1000) * random.below(1000) * random.below(1000) / 500;
            format!("{}.{:02}", small / 100, small % 100)
        }
        Time => time(second),
        Date => time(second)[..10].to_owned(),
        Uuid => {
            let (a, b) = (random.next(), random.next());
            format!("{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}", a >> 32, (a >> 16) & 0xFFFF, a & 0xFFF, b >> 52, b & 0xFFFF_FFFF_FFFF)
        }
    })
}

/// Four of five do not compress; some are large enough to stand outside their rows.
fn attachment(pools: &Pools, random: &mut Random) -> Vec<u8> {
    if random.below(5) == 0 {
        return pools.prose[..random.below(18_000) as usize].to_vec();
    }
    let length = 500 << random.below(7);
    (0..length / 8 + 1).flat_map(|_| random.next().to_le_bytes()).collect()
}

/// Seconds since the beginning of 2019, as SQL writes them; months have 28 days here, which nobody compares.
fn time(second: u64) -> String {
    let (days, second) = (second / 86_400, second % 86_400);
    let (year, month, day) = (2019 + days / 336, 1 + days / 28 % 12, 1 + days % 28);
    format!("{year}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// Changes rows anywhere: 1 % updated, 0.5 % added, 0.1 % deleted. `phase` picks which, so that two differ.
pub fn change(path: &Path, phase: u64) {
    let db = Connection::open(path).unwrap();
    db.execute_batch("PRAGMA synchronous = OFF; BEGIN").unwrap();
    for table in TABLES {
        let name = table.name;
        let last: u64 = db.query_row(&format!("SELECT max(id) FROM {name}"), [], |row| row.get(0)).unwrap();
        if last < 1000 {
            continue;
        }
        let column = table.columns.iter().rev().find(|(_, kind)| matches!(kind, Note | Text | Code | Decimal)).unwrap().0;
        db.execute(&format!("UPDATE {name} SET {column} = 'changed {phase} ' || id WHERE id % 100 = ?"), [(37 + 13 * phase) % 100])
            .unwrap();
        if LEAVES.contains(&name) {
            db.execute(&format!("DELETE FROM {name} WHERE id % 780 = ?"), [(11 + 13 * phase) % 780]).unwrap();
        }
        let columns: Vec<String> =
            table.columns.iter().map(|(name, kind)| if let Id = kind { format!("id + {last}") } else { (*name).into() }).collect();
        db.execute(&format!("INSERT INTO {name} SELECT {} FROM {name} WHERE id % 200 = ?", columns.join(", ")), [(3 + phase) % 200])
            .unwrap();
    }
    db.execute_batch("COMMIT").unwrap();
}
