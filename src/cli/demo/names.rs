//! People of the demonstration's school: names of many scripts, as real lists have them.

use super::random::Chance;

/// A given name and a family name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// The given name.
    pub given: &'static str,
    /// The family name.
    pub family: &'static str,
}

/// Names that are found together, and how often in a hundred.
struct Origin {
    share: u64,
    given: &'static [&'static str],
    family: &'static [&'static str],
}

const ORIGINS: &[Origin] = &[
    Origin {
        share: 46,
        given: &[
            "Anna", "Ben", "Clara", "David", "Ella", "Felix", "Grace", "Hannah", "Isaac", "Julia", "Karl", "Lena", "Maya", "Noah",
            "Olivia", "Paul", "Quentin", "Rosa", "Samuel", "Tessa", "Ursula", "Victor", "Wendy", "Yara",
        ],
        family: &[
            "Adams",
            "Baker",
            "Clark",
            "Dixon",
            "Evans",
            "Fischer",
            "Green",
            "Harris",
            "Irving",
            "Jones",
            "Keller",
            "Lang",
            "Miller",
            "Newton",
            "O’Brien",
            "Parker",
            "Quinn",
            "Rossi",
            "Smith",
            "Taylor",
            "Underwood",
            "Vogel",
            "Walker",
            "Young",
        ],
    },
    Origin {
        share: 20,
        given: &["Zoë", "Željko", "Jürgen", "Søren", "Łucja", "Ángel", "Çağla", "François", "Þóra", "Ștefan", "Ngọc", "Eliška"],
        family: &["Müller", "Đurić", "Åkesson", "Wójcik", "Núñez", "Yıldız", "Lefèvre", "Jónsdóttir", "Țepeș", "Nguyễn", "Dvořák", "Groß"],
    },
    Origin {
        share: 7,
        given: &["Анна", "Дмитрий", "Ольга", "Сергій", "Їванка"],
        family: &["Иванова", "Шевченко", "Петров", "Кравець", "Жуков"],
    },
    Origin {
        share: 4, given: &["Ελένη", "Γιώργος", "Σοφία"], family: &["Παπαδοπούλου", "Νικολάου", "Γεωργίου"]
    },
    Origin { share: 5, given: &["小明", "美玲", "伟", "思远"], family: &["王", "李", "張", "歐陽"] },
    Origin { share: 3, given: &["さくら", "健太", "ゆうき"], family: &["佐藤", "鈴木", "高橋"] },
    Origin { share: 3, given: &["민준", "서연", "지우"], family: &["김", "박", "이"] },
    Origin {
        share: 5, given: &["عمر", "ليلى", "فاطمة", "یاسمین"], family: &["الحسن", "خليل", "منصور", "رضایی"]
    },
    Origin { share: 2, given: &["נועה", "איתן", "תמר"], family: &["כהן", "לוי", "מזרחי"] },
    Origin {
        share: 3, given: &["आरव", "प्रिया", "दीपिका"], family: &["शर्मा", "पटेल", "सिंह"]
    },
    Origin { share: 2, given: &["สมชาย", "มาลี"], family: &["ใจดี", "สุขสันต์"] },
];

/// A person by chance.
pub fn person(chance: &mut Chance) -> Person {
    let mut left = chance.below(ORIGINS.iter().map(|origin| origin.share).sum());
    for origin in ORIGINS {
        if left < origin.share {
            return Person { given: chance.pick(origin.given), family: chance.pick(origin.family) };
        }
        left -= origin.share;
    }
    Person { given: "Anna", family: "Adams" }
}

/// Where guardians live.
pub const CITIES: &[&str] = &["Northfield", "Île-Verte", "São Bento", "Køge", "Oberaudorf", "Stará Ves", "Ньютаун", "新町"];

/// Departments of the school.
pub const DEPARTMENTS: &[&str] = &[
    "Administration",
    "Mathematics",
    "Languages",
    "Sciences",
    "Arts & Music",
    "Physical Education",
    "Library",
    "Facilities",
    "Catering",
    "IT",
    "Counselling",
    "Élèves internationaux",
];

/// What people do there.
pub const POSITIONS: &[&str] = &["Teacher", "Teacher", "Teacher", "Assistant", "Secretary", "Technician", "Counsellor", "Librarian"];

/// Subjects of the courses.
pub const SUBJECTS: &[&str] = &[
    "Algebra",
    "Biology",
    "Chemistry",
    "Drama",
    "Economics",
    "Français",
    "Geography",
    "History",
    "Informatics",
    "日本語",
    "Literature",
    "Music",
    "Physics",
    "Русский язык",
    "Sports",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_has_names_of_several_scripts() {
        let mut chance = Chance::new(7);
        let people: Vec<Person> = (0..400).map(|_| person(&mut chance)).collect();
        for letter in ['A', 'ü', 'И', '王', 'ع', 'श'] {
            assert!(people.iter().any(|person| person.given.contains(letter) || person.family.contains(letter)), "{letter}");
        }
    }
}
