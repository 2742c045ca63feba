//! Rows in pieces of pages that are as they were are not read; all others are, whatever was done to the table.

use std::fs;

use backstop::catalog::BackupType;
use backstop::engine::backup::relation::Against;

use crate::Place;

#[test]
fn a_list_of_pieces_that_is_damaged_is_not_believed() {
    let place = Place::new();
    let path = place.cache("shop", "item");
    let since = place.back_up("shop", BackupType::Incremental);
    let whole = fs::read(&path).unwrap();
    // The head stands at the end, behind its length; the list before it.
    let head = u32::from_le_bytes(*whole.last_chunk().unwrap()) as usize + 4;
    for at in [100, 700] {
        let mut flipped = whole.clone();
        flipped[whole.len() - head - at] ^= 1;
        fs::write(&path, flipped).unwrap();
        assert_eq!(place.store(&since).1, Against::Cache, "the digests are as they were");
    }
}

#[test]
fn rows_in_pieces_that_are_as_they_were_are_not_read_and_all_others_are() {
    let place = Place::new();
    let path = place.cache("shop", "item");
    let mut since = place.anew();
    // With each how many rows are not read: at least, and at most.
    let changes = [
        ("UPDATE item SET name = 'x' WHERE id % 997 = 3; DELETE FROM item WHERE id % 2501 = 8", 8700, 8910),
        ("UPDATE item SET price = price + 1 WHERE id = 4000", 8950, 8992),
        ("DELETE FROM item WHERE id BETWEEN 2000 AND 6000", 4900, 4999),
        ("INSERT INTO item(id, name) VALUES (-5, 'first'), (-9223372036854775807 - 1, 'least'), (3000, 'between')", 4900, 4999),
        ("INSERT INTO item(id, name) VALUES (4000, replace(hex(zeroblob(30000)), '0', 'long')), (4001, hex(zeroblob(3000)))", 4900, 5001),
        ("UPDATE item SET name = substr(name, 1, 239999) || 'x' WHERE id = 4000", 4900, 5001),
        ("UPDATE item SET name = 'x' || substr(name, 2) WHERE id = 4001", 4900, 5001),
        ("DELETE FROM item WHERE id < 1000; VACUUM", 3500, 4002),
        ("UPDATE item SET name = name WHERE id = 7000", 4002, 4002),
        ("UPDATE item SET price = -price WHERE id = 7000", 3950, 3999),
        ("UPDATE item SET name = name || '.'", 0, 0),
        ("DELETE FROM item WHERE id > 0", 0, 0),
        ("INSERT INTO item SELECT * FROM twin", 0, 0),
        ("DELETE FROM item WHERE id % 2 = 1 OR id > 8000", 0, 0),
        ("INSERT OR REPLACE INTO item SELECT * FROM twin WHERE id BETWEEN 5000 AND 5100", 3700, 3990),
    ];
    for (change, least, most) in changes {
        place.sql(change);
        let cache = fs::read(&path).unwrap();
        let (stored, against) = place.store(&since);
        fs::remove_file(&path).unwrap();
        assert_eq!(place.store(&since), (stored, Against::Vault), "{change}");
        fs::write(&path, cache).unwrap();
        assert!(matches!(against, Against::Told(same) if (least..=most).contains(&same)), "{change}: {against:?}");
        since = place.anew();
    }
}

#[test]
fn whatever_becomes_of_a_table_with_small_pages_an_increment_has_its_rows() {
    let place = Place::new();
    place.sql("PRAGMA page_size = 512; DELETE FROM item; DELETE FROM twin WHERE id > 100; VACUUM");
    let path = place.cache("shop", "item");
    let mut since = place.back_up("shop", BackupType::Incremental);
    let (mut random, mut told) = (7_u64, 0);
    let mut below = |end: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % end
    };
    for round in 0..40 {
        let (from, count, long) = (below(4000), 1 + below(300), 1 + below(2) * below(1500));
        place.sql(&match below(5) {
            0 => format!("DELETE FROM item WHERE id BETWEEN {from} AND {}", from + count * 2),
            1 => format!("UPDATE item SET name = name || 'x', price = {count} WHERE id % {} = 0", 2 + count),
            2 => format!("UPDATE item SET id = id + 5000 WHERE id BETWEEN {from} AND {}", from + count),
            _ => format!(
                "WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + {} FROM n LIMIT {count})
                 INSERT OR REPLACE INTO item SELECT i, hex(zeroblob({long})), {round} FROM n",
                1 + below(3)
            ),
        });
        let cache = fs::read(&path).unwrap();
        let (stored, against) = place.store(&since);
        fs::remove_file(&path).unwrap();
        assert_eq!(place.store(&since).0, stored, "{round}");
        fs::write(&path, cache).unwrap();
        match against {
            Against::Told(same) => told += same,
            // So much changed that it is a new base.
            against => assert_eq!(against, Against::Nothing, "{round}"),
        }
        since = place.back_up("shop", if round % 7 == 0 { BackupType::Full } else { BackupType::Incremental });
    }
    assert!(told > 10_000, "{told}");
}

#[test]
fn a_change_of_what_pages_mean_and_a_log_have_all_rows_read() {
    let place = Place::new();
    let since = place.back_up("shop", BackupType::Incremental);
    let hidden = "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'price REAL', 'price REAL DEFAULT 7') WHERE name = 'item'";
    place.sql(hidden);
    assert_eq!(place.store(&since).1, Against::Cache, "a row that is too short has another value now");
    place.back_up("shop", BackupType::Incremental);
    assert_eq!(place.store(&since).1, Against::Told(9000), "the list is made anew, the rows are the same");
    place.sql("PRAGMA journal_mode = WAL");
    assert_eq!(place.store(&since).1, Against::Cache, "the pages are not ours alone");
}
